//! What a trail records, read off its selectors, old form and advanced form alike.
//!
//! Source: "Logging management events" and "Logging data events" in the `CloudTrail` User Guide.

use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector, EventSelector, ReadWriteType};
use serde_json::{Value, json};

/// The events of a trail.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Recorded {
    /// The selectors as configured.
    pub(super) selectors: Vec<Value>,
    /// Management events that read.
    pub(super) management_reads: bool,
    /// Management events that write.
    pub(super) management_writes: bool,
    /// Services whose management events some selector leaves out, unless another takes them in.
    pub(super) management_excluded: Vec<String>,
    /// Reads and writes of S3 objects.
    pub(super) object_events: Vec<Value>,
}

const OBJECT: &str = "AWS::S3::Object";
/// The prefix of every object's ARN, as far as partitions go.
const EVERYTHING: &str = "arn:";

impl Recorded {
    /// Reads the old form.
    pub(super) fn classic(selectors: &[EventSelector]) -> Self {
        let mut recorded = Self::default();
        for selector in selectors {
            recorded.add_classic(selector);
        }
        recorded
    }

    /// Reads the advanced form, which replaces the old one.
    pub(super) fn advanced(selectors: &[AdvancedEventSelector]) -> Self {
        let mut recorded = Self::default();
        for selector in selectors {
            recorded.add_advanced(selector);
        }
        recorded
    }

    fn add_classic(&mut self, selector: &EventSelector) {
        // What is left out of a selector has a default: all events, management events included.
        let kind = selector.read_write_type.as_ref().unwrap_or(&ReadWriteType::All);
        let management = selector.include_management_events.unwrap_or(true);
        let access = Access { reads: *kind != ReadWriteType::WriteOnly, writes: *kind != ReadWriteType::ReadOnly };
        let mut excluded = selector.exclude_management_event_sources.clone().unwrap_or_default();
        excluded.sort();
        let mut data = Vec::new();
        for resource in selector.data_resources.iter().flatten() {
            let values = resource.values.as_deref().unwrap_or_default();
            data.push(json!({"type": resource.r#type, "values": values}));
            if resource.r#type.as_deref() == Some(OBJECT) && !values.is_empty() {
                self.object_events.push(access.of_objects(values, &[]));
            }
        }
        self.selectors.push(json!({
            "read_write": kind.as_str(), "management": management, "excluded": excluded, "data": data,
        }));
        if management {
            self.add_management(access, excluded);
        }
    }

    fn add_advanced(&mut self, selector: &AdvancedEventSelector) {
        let fields = selector.field_selectors.as_slice();
        let shown = |field: &AdvancedFieldSelector| {
            let mut shape = serde_json::Map::from_iter([("field".to_owned(), Value::from(field.field.as_str()))]);
            let operators = [
                ("equals", &field.equals),
                ("starts_with", &field.starts_with),
                ("ends_with", &field.ends_with),
                ("not_equals", &field.not_equals),
                ("not_starts_with", &field.not_starts_with),
                ("not_ends_with", &field.not_ends_with),
            ];
            for (operator, values) in operators {
                if let Some(values) = values.as_ref().filter(|values| !values.is_empty()) {
                    shape.insert(operator.to_owned(), values.as_slice().into());
                }
            }
            Value::Object(shape)
        };
        self.selectors.push(json!({"name": selector.name, "fields": fields.iter().map(shown).collect::<Value>()}));
        let category = |name: &str| {
            fields
                .iter()
                .any(|field| field.field == "eventCategory" && field.equals().iter().any(|value| value == name))
        };
        if category("Management") {
            self.add_advanced_management(fields);
        } else if category("Data") {
            self.add_advanced_objects(fields);
        }
    }

    fn add_advanced_management(&mut self, fields: &[AdvancedFieldSelector]) {
        let mut excluded = Vec::new();
        for field in fields {
            match field.field.as_str() {
                "eventCategory" | "readOnly" => {}
                "eventSource" if only_not_equals(field) => excluded.extend_from_slice(field.not_equals()),
                // Any other condition takes a part of the events only: it does not count as recording them.
                _ => return,
            }
        }
        excluded.sort();
        self.add_management(Access::of_fields(fields), excluded);
    }

    fn add_advanced_objects(&mut self, fields: &[AdvancedFieldSelector]) {
        let (mut objects, mut only, mut except) = (false, vec![EVERYTHING.to_owned()], Vec::new());
        for field in fields {
            match field.field.as_str() {
                "eventCategory" | "readOnly" => {}
                "resources.type" => objects = field.equals().iter().any(|value| value == OBJECT),
                "resources.ARN" if prefixes_only(field) => {
                    if !field.starts_with().is_empty() {
                        only = field.starts_with().to_vec();
                    }
                    except.extend_from_slice(field.not_starts_with());
                }
                _ => return,
            }
        }
        if objects {
            self.object_events.push(Access::of_fields(fields).of_objects(&only, &except));
        }
    }

    fn add_management(&mut self, access: Access, excluded: Vec<String>) {
        let first = !self.management_reads && !self.management_writes;
        self.management_reads |= access.reads;
        self.management_writes |= access.writes;
        // Two selectors that record the same leave out only what both do; of halves, all that is left out counts.
        if first {
            self.management_excluded = excluded;
        } else if access.reads && access.writes {
            self.management_excluded.retain(|source| excluded.contains(source));
        } else {
            self.management_excluded.extend(excluded);
            self.management_excluded.sort();
            self.management_excluded.dedup();
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Access {
    reads: bool,
    writes: bool,
}

impl Access {
    fn of_fields(fields: &[AdvancedFieldSelector]) -> Self {
        let asks = |wanted: &str| {
            let mut conditions = fields.iter().filter(|field| field.field == "readOnly");
            conditions.all(|field| {
                let equal = field.equals().is_empty() || field.equals().iter().any(|value| value == wanted);
                equal && !field.not_equals().iter().any(|value| value == wanted)
            })
        };
        Self { reads: asks("true"), writes: asks("false") }
    }

    fn of_objects(self, only: &[String], except: &[String]) -> Value {
        json!({"reads": self.reads, "writes": self.writes, "only": only, "except": except})
    }
}

fn only_not_equals(field: &AdvancedFieldSelector) -> bool {
    field.equals().is_empty()
        && field.starts_with().is_empty()
        && field.ends_with().is_empty()
        && field.not_starts_with().is_empty()
        && field.not_ends_with().is_empty()
}

fn prefixes_only(field: &AdvancedFieldSelector) -> bool {
    field.equals().is_empty()
        && field.ends_with().is_empty()
        && field.not_equals().is_empty()
        && field.not_ends_with().is_empty()
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudtrail::types::DataResource;

    use super::*;

    fn field(name: &str) -> aws_sdk_cloudtrail::types::builders::AdvancedFieldSelectorBuilder {
        AdvancedFieldSelector::builder().field(name)
    }

    fn advanced(fields: Vec<AdvancedFieldSelector>) -> Recorded {
        let selector = AdvancedEventSelector::builder().set_field_selectors(Some(fields)).build().unwrap();
        Recorded::advanced(&[selector])
    }

    fn category(name: &str) -> AdvancedFieldSelector {
        field("eventCategory").equals(name).build().unwrap()
    }

    #[test]
    fn the_old_form_records_what_it_does_not_leave_out() {
        let all = Recorded::classic(&[EventSelector::builder().build()]);
        assert!(all.management_reads && all.management_writes && all.object_events.is_empty());
        let writes = EventSelector::builder().read_write_type(ReadWriteType::WriteOnly);
        let writes = writes.exclude_management_event_sources("kms.amazonaws.com");
        let writes = Recorded::classic(&[writes.build()]);
        assert!(!writes.management_reads && writes.management_writes);
        assert_eq!(writes.management_excluded, ["kms.amazonaws.com"]);
        let data = DataResource::builder().r#type(OBJECT).values("arn:aws:s3:::example-bucket/").build();
        let data = EventSelector::builder().include_management_events(false).data_resources(data).build();
        let data = Recorded::classic(&[data]);
        assert!(!data.management_reads && !data.management_writes);
        let expected = json!({"reads": true, "writes": true, "only": ["arn:aws:s3:::example-bucket/"], "except": []});
        assert_eq!(data.object_events, [expected]);
    }

    #[test]
    fn the_advanced_form_records_all_management_events_only_without_further_conditions() {
        let all = advanced(vec![category("Management")]);
        assert!(all.management_reads && all.management_writes);
        let writes = advanced(vec![category("Management"), field("readOnly").equals("false").build().unwrap()]);
        assert!(!writes.management_reads && writes.management_writes);
        let kms = field("eventSource").not_equals("kms.amazonaws.com").build().unwrap();
        let without_kms = advanced(vec![category("Management"), kms]);
        assert!(without_kms.management_reads);
        assert_eq!(without_kms.management_excluded, ["kms.amazonaws.com"]);
        for narrow in [field("eventSource").equals("iam.amazonaws.com"), field("eventName").starts_with("Put")] {
            let part = advanced(vec![category("Management"), narrow.build().unwrap()]);
            assert!(!part.management_reads && !part.management_writes);
        }
    }

    #[test]
    fn the_advanced_form_names_objects_by_prefix() {
        let objects = || field("resources.type").equals(OBJECT).build().unwrap();
        let all = advanced(vec![category("Data"), objects()]);
        assert_eq!(all.object_events, [json!({"reads": true, "writes": true, "only": ["arn:"], "except": []})]);
        let but_one = field("resources.ARN").not_starts_with("arn:aws:s3:::logs/").build().unwrap();
        let reads = field("readOnly").equals("true").build().unwrap();
        let some = advanced(vec![category("Data"), objects(), but_one, reads]);
        let expected = json!({"reads": true, "writes": false, "only": ["arn:"], "except": ["arn:aws:s3:::logs/"]});
        assert_eq!(some.object_events, [expected]);
        let one_object = field("resources.ARN").equals("arn:aws:s3:::example-bucket/a").build().unwrap();
        assert!(advanced(vec![category("Data"), objects(), one_object]).object_events.is_empty());
        let functions = field("resources.type").equals("AWS::Lambda::Function").build().unwrap();
        assert!(advanced(vec![category("Data"), functions]).object_events.is_empty());
    }
}
