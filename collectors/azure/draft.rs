//! From an answer's JSON to the fields of a resource: missing is absent, wrongly shaped is unread.
//!
//! Resource Graph and Resource Manager do not agree on the casing of ids, types and some members; nulls, missing
//! members and unknown values of enumerations are everywhere. So members are found whatever their casing, and what does
//! not have the shape that the API documents is not a reading.

use std::cell::Cell;
use std::sync::LazyLock;

use evidenced_kit::Operation;
use evidenced_model::{KindId, Refusal, Region, Resource, Scope};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::session::malformed;

/// What stands for a member below something that has none, such as a text: of no type that anybody asks for.
static NO_MEMBER: LazyLock<Value> = LazyLock::new(|| Value::from(vec![0.5]));

thread_local! {
    /// How many members were found that have another type than they were asked for as.
    static MISSHAPEN: Cell<u64> = const { Cell::new(0) };
}

/// What is read, unless a member on the way there has another type than the API documents: then it is no reading.
pub(crate) fn shapely<T>(read: impl FnOnce() -> Option<T>) -> Option<T> {
    let before = MISSHAPEN.get();
    read().filter(|_| MISSHAPEN.get() == before)
}

/// What a member is read as; notes a member that is there and cannot be.
fn noted<'v, T>(value: &'v Value, path: &str, read: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
    whole(read(at(value, path)?))
}

/// Notes where there is nothing, though there should be.
pub(crate) fn whole<T>(read: Option<T>) -> Option<T> {
    if read.is_none() {
        MISSHAPEN.set(MISSHAPEN.get() + 1);
    }
    read
}

/// A member by its path (`properties.networkAcls.defaultAction`), whatever its casing; `None` for missing and for null.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut value = value;
    for part in path.split('.') {
        let Some(members) = value.as_object() else {
            return (!value.is_null()).then(|| &*NO_MEMBER);
        };
        let found = members.get(part);
        value = found.or_else(|| members.iter().find(|(name, _)| name.eq_ignore_ascii_case(part)).map(|(_, v)| v))?;
    }
    (!value.is_null()).then_some(value)
}

/// A text by its path.
pub(crate) fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    noted(value, path, Value::as_str)
}

/// A flag by its path; Resource Graph writes some of them as text.
pub(crate) fn flag(value: &Value, path: &str) -> Option<bool> {
    noted(value, path, as_flag)
}

/// A whole number by its path; some are written as text.
pub(crate) fn number(value: &Value, path: &str) -> Option<i64> {
    noted(value, path, as_number)
}

/// The elements of a list by its path; none where there is no list.
pub(crate) fn items<'v>(value: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> {
    let list = |list: &'v Value| list.as_array().filter(|_| !std::ptr::eq(list, LazyLock::force(&NO_MEMBER)));
    noted(value, path, list).into_iter().flatten()
}

/// The texts of a list by its path.
pub(crate) fn texts(value: &Value, path: &str) -> Vec<String> {
    items(value, path).filter_map(|item| whole(item.as_str())).map(str::to_owned).collect()
}

/// An id of Resource Manager as evidence writes it: they are compared without case.
pub(crate) fn id(text: &str) -> String {
    text.trim_end_matches('/').to_lowercase()
}

/// A location as evidence writes it: `West Europe` and `westeurope` are the same.
pub(crate) fn location(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// An instant in the one form that evidence has.
pub(crate) fn instant(text: &str) -> Option<String> {
    text.parse::<Timestamp>().ok().map(|time| time.to_string())
}

/// The start of the UTC day, for instants that move by themselves.
pub(crate) fn day(text: &str) -> Option<String> {
    let second = text.parse::<Timestamp>().ok()?.as_second();
    Timestamp::from_second(second - second.rem_euclid(24 * 60 * 60)).ok().map(|day| day.to_string())
}

fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn as_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A resource that is being read, from the answers of one operation at a time.
pub(crate) struct Draft {
    /// What is known so far.
    pub(crate) resource: Resource,
    /// The operation whose answer is read.
    pub(crate) operation: &'static Operation,
}

impl Draft {
    /// A resource of which nothing is read yet.
    pub(crate) fn new(kind: KindId, id: String, scope: Scope, operation: &'static Operation) -> Self {
        Self { resource: Resource::new(kind, id, scope), operation }
    }

    /// A row of Resource Graph, or an item of a listing, with what every resource of Resource Manager has: `id`, `name`,
    /// `location`, `resource_group`, `tags`. It stands in its location. `None` if it has no id.
    pub(crate) fn of_row(kind: KindId, scope: &Scope, row: &Value, operation: &'static Operation) -> Option<Self> {
        let own = id(text(row, "id")?);
        let place = text(row, "location").map(location).filter(|place| !place.is_empty());
        let region = place.as_deref().and_then(|place| Region::parse(place).ok());
        let mut draft = Self::new(kind, own.clone(), scope.in_region(region.unwrap_or_else(Region::global)), operation);
        draft.resource.optional("location", place);
        draft.text("name", text(row, "name").map(Value::from).as_ref().or(Some(&Value::from(last(&own)))));
        draft.resource.optional("resource_group", group(&own).map(str::to_owned));
        draft.resource.read("id", own);
        draft.map("tags", at(row, "tags").filter(|tags| tags.as_object().is_none_or(|tags| !tags.is_empty())));
        Some(draft)
    }

    /// The same for what belongs to a subscription or tenant as a whole: only its `id`, and in no location.
    pub(crate) fn bare(kind: KindId, scope: &Scope, row: &Value, operation: &'static Operation) -> Option<Self> {
        let own = id(text(row, "id")?);
        let mut draft = Self::new(kind, own.clone(), scope.clone(), operation);
        draft.resource.read("id", own);
        Some(draft)
    }

    /// From here on, another operation's answer is read.
    pub(crate) fn from(&mut self, operation: &'static Operation) -> &mut Self {
        self.operation = operation;
        self
    }

    /// A text; absent where it is missing.
    pub(crate) fn text(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        self.write(field, value, |value| value.as_str().map(Value::from))
    }

    /// An id, in lower case; absent where it is missing or empty.
    pub(crate) fn id(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        let value = value.filter(|value| value.as_str() != Some(""));
        self.write(field, value, |value| value.as_str().map(id).map(Value::from))
    }

    /// A flag; absent where it is missing.
    pub(crate) fn flag(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        self.write(field, value, |value| as_flag(value).map(Value::from))
    }

    /// A whole number; absent where it is missing.
    pub(crate) fn int(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        self.write(field, value, |value| as_number(value).map(Value::from))
    }

    /// An instant (RFC 3339); absent where it is missing.
    pub(crate) fn instant(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        self.write(field, value, |value| value.as_str().and_then(instant).map(Value::from))
    }

    /// An instant that the API writes as seconds since 1970; absent where it is missing.
    pub(crate) fn epoch(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        let time = |value: &Value| Timestamp::from_second(as_number(value)?).ok();
        self.write(field, value, |value| time(value).map(|time| Value::from(time.to_string())))
    }

    /// A flag that the API writes as `Enabled` or `Disabled`; absent where it is missing.
    pub(crate) fn switch(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        let on = |text: &str| match text.to_ascii_lowercase().as_str() {
            "enabled" => Some(true),
            "disabled" => Some(false),
            _ => None,
        };
        self.write(field, value, |value| value.as_str().and_then(on).map(Value::from))
    }

    /// An instant that moves by itself, cut to the day; absent where it is missing.
    pub(crate) fn day(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        self.write(field, value, |value| value.as_str().and_then(day).map(Value::from))
    }

    /// An object as it is; absent where it is missing.
    pub(crate) fn map(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        self.write(field, value, |value| value.is_object().then(|| value.clone()))
    }

    /// A list, element by element; absent where it is missing. An element that cannot be read makes the list unread.
    pub(crate) fn list(
        &mut self,
        field: &str,
        value: Option<&Value>,
        element: impl Fn(&Value) -> Option<Value>,
    ) -> &mut Self {
        self.write(field, value, |value| {
            value.as_array()?.iter().map(&element).collect::<Option<Vec<_>>>().map(Value::from)
        })
    }

    /// The same, and an empty list where it is missing: for members that the API leaves out when there is nothing.
    pub(crate) fn list_or_empty(
        &mut self,
        field: &str,
        value: Option<&Value>,
        element: impl Fn(&Value) -> Option<Value>,
    ) -> &mut Self {
        let none = Value::Array(Vec::new());
        self.list(field, value.or(Some(&none)), element)
    }

    /// Texts; absent where the list is missing.
    pub(crate) fn texts(&mut self, field: &str, value: Option<&Value>) -> &mut Self {
        self.list(field, value, |item| item.as_str().map(Value::from))
    }

    /// Fields that were written from members which the answer must have: where they were missing, they are unread.
    pub(crate) fn must(&mut self, fields: &[&str]) {
        let missing = |field: &&&str| matches!(self.resource.field(field), evidenced_model::Field::Absent);
        let missing: Vec<&str> = fields.iter().filter(missing).copied().collect();
        self.malformed(&missing);
    }

    /// Something that was made of the answer.
    pub(crate) fn read(&mut self, field: &str, value: impl Into<Value>) -> &mut Self {
        self.resource.read(field, value);
        self
    }

    /// Something that is made of several members, unless one of them has not the type that the API documents.
    pub(crate) fn derive<T: Into<Value>>(&mut self, field: &str, value: impl FnOnce() -> Option<T>) -> &mut Self {
        match shapely(value) {
            Some(value) => self.resource.read(field, value),
            None => self.resource.unread(field, &malformed(self.operation)),
        };
        self
    }

    /// Documented not to be there.
    pub(crate) fn absent(&mut self, field: &str) -> &mut Self {
        self.resource.absent(field);
        self
    }

    /// Several fields that could not be read, for the same reason.
    pub(crate) fn unread(&mut self, fields: &[&str], why: &Refusal) {
        for field in fields {
            self.resource.unread(field, why);
        }
    }

    /// Several fields that are documented not to be there.
    pub(crate) fn absent_all(&mut self, fields: &[&str]) {
        for field in fields {
            self.resource.absent(field);
        }
    }

    /// Several fields that the answer should have told, and did not.
    pub(crate) fn malformed(&mut self, fields: &[&str]) {
        let refusal = malformed(self.operation);
        self.unread(fields, &refusal);
    }

    fn write(&mut self, field: &str, value: Option<&Value>, read: impl FnOnce(&Value) -> Option<Value>) -> &mut Self {
        match value.filter(|value| !value.is_null()) {
            None => self.resource.absent(field),
            Some(value) => match shapely(|| read(value)) {
                Some(value) => self.resource.read(field, value),
                None => self.resource.unread(field, &malformed(self.operation)),
            },
        };
        self
    }
}

/// The last segment of an id.
pub(crate) fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// The id of what a resource is directly below: without the last type and name.
pub(crate) fn parent(id: &str) -> Option<&str> {
    id.rsplitn(3, '/').nth(2).filter(|above| !above.is_empty())
}

/// The resource group in an id.
pub(crate) fn group(id: &str) -> Option<&str> {
    let mut parts = id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case("resourcegroups"))?;
    parts.next().filter(|name| !name.is_empty())
}

/// A small map with exactly these members; what is missing is null.
pub(crate) fn members<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Value {
    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.unwrap_or_default()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use evidenced_kit::Per;
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::session::whole;

    static OPERATION: Operation = Operation { call: "x:List", permission: "x/read", absent: &[], per: Per::Start };

    fn draft(row: &Value) -> Draft {
        let account = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        Draft::of_row("azure.x.thing".parse().unwrap(), &whole(&account), row, &OPERATION).unwrap()
    }

    #[test]
    fn members_are_found_whatever_their_casing() {
        let value = json!({"Properties": {"networkAcls": {"DefaultAction": "Deny"}, "none": null}});
        assert_eq!(text(&value, "properties.networkacls.defaultAction"), Some("Deny"));
        assert_eq!(at(&value, "properties.none"), None);
        // What is below a text is not missing: it cannot be read.
        let deeper = at(&value, "properties.networkAcls.defaultAction.deeper").unwrap();
        assert!(!deeper.is_string() && as_flag(deeper).is_none() && as_number(deeper).is_none());
    }

    #[test]
    fn a_row_stands_in_its_location() {
        let id = "/subscriptions/S/resourceGroups/Example-RG/providers/Microsoft.X/things/One";
        let draft = draft(&json!({"id": id, "location": "West Europe", "tags": {}}));
        assert_eq!(draft.resource.scope.region.as_str(), "westeurope");
        assert_eq!(draft.resource.id, id.to_lowercase());
        assert_eq!(draft.resource.field("name"), &Field::Read(json!("one")));
        assert_eq!(draft.resource.field("resource_group"), &Field::Read(json!("example-rg")));
        assert_eq!(draft.resource.field("tags"), &Field::Absent);
    }

    #[test]
    fn missing_is_absent_and_wrongly_shaped_is_unread() {
        let row =
            json!({"id": "/a", "properties": {"on": "True", "off": 1, "many": [{"a": 1}, {"a": "x"}], "n": "12"}});
        let mut draft = draft(&row);
        let rules = json!([{"name": "a"}, {"name": 1}]);
        let name = |rule: &Value| Some(members([("name", text(rule, "name").map(Value::from))]));
        draft.list("rules", Some(&rules), name).list("rest", Some(&json!([{"name": "a"}, {}])), name);
        assert!(matches!(draft.resource.field("rules"), Field::Unread(_)));
        assert_eq!(draft.resource.field("rest"), &Field::Read(json!([{"name": "a"}, {"name": null}])));
        draft.flag("on", at(&row, "properties.on")).flag("off", at(&row, "properties.off")).flag("gone", None);
        draft.list("many", at(&row, "properties.many"), |item| item["a"].as_i64().map(Value::from));
        draft.int("n", at(&row, "properties.n")).text("must", None).must(&["n", "must"]);
        draft.epoch("then", Some(&json!(1_596_493_796))).switch("lit", Some(&json!("enabled")));
        draft.switch("odd", Some(&json!("Sometimes")));
        let resource = &draft.resource;
        assert_eq!(resource.field("on"), &Field::Read(json!(true)));
        assert_eq!(resource.field("gone"), &Field::Absent);
        assert_eq!(resource.field("n"), &Field::Read(json!(12)));
        assert_eq!(resource.field("then"), &Field::Read(json!("2020-08-03T22:29:56Z")));
        assert_eq!(resource.field("lit"), &Field::Read(json!(true)));
        for name in ["off", "many", "must", "odd"] {
            assert!(matches!(resource.field(name), Field::Unread(_)), "{name}");
        }
    }
}
