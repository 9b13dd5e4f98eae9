//! What a query says, parameter by parameter. What is not known, doubled or malformed is refused, not passed over.

use std::str::FromStr;

use evidenced_model::{CatalogId, ControlId, ModelError, RunId, Severity, Verdict};

use crate::problem::Problem;
use crate::route::decode;
use crate::{FindingKey, FindingsQuery, Page};

/// Items in a part of a list, if nobody says how many.
const USUAL: usize = 100;
/// The most items in a part of a list.
const MOST: usize = 1000;
/// The longest cursor or glob, in characters.
const LONGEST: usize = 512;
/// More parameters than anybody has a use for.
const PARAMETERS: usize = 64;

/// The parameters that nobody has asked for yet.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let pairs: Vec<&str> = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
        if pairs.len() > PARAMETERS {
            return Err(Problem::wrong(format!("The query has more than {PARAMETERS} parameters.")));
        }
        let text = |part: &str| decode(&part.replace('+', " ")).map(std::borrow::Cow::into_owned);
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((text(name)?, text(value)?))
        };
        pairs.into_iter().map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// Leaves out what has no value: a form sends every field, also those that nobody filled in.
    pub(crate) fn filled(mut self) -> Self {
        self.0.retain(|(_, value)| !value.is_empty());
        self
    }

    /// What a parameter says, as it was written, for showing it again; the query keeps it.
    pub(crate) fn peek(&self, name: &str) -> String {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Makes a part of a text a glob: whoever types `shop` looks for it anywhere.
    pub(crate) fn anywhere(mut self, name: &str) -> Self {
        for (_, value) in self.0.iter_mut().filter(|(own, value)| own == name && !value.contains('*')) {
            *value = format!("*{value}*");
        }
        self
    }

    /// Every value of a parameter.
    fn all(&mut self, name: &str) -> Vec<String> {
        self.0.extract_if(.., |(own, _)| own == name).map(|(_, value)| value).collect()
    }

    /// The one value of a parameter, if it is there.
    fn one(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let mut all = self.all(name);
        let value = all.pop();
        if all.is_empty() { Ok(value) } else { Err(Problem::wrong(format!("{name} stands twice in the query."))) }
    }

    fn parsed<T: FromStr<Err = ModelError>>(&mut self, name: &'static str) -> Result<Option<T>, Problem> {
        self.one(name)?.map(|value| parse(name, &value)).transpose()
    }

    fn glob(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let value = self.one(name)?;
        match value {
            Some(glob) if glob.is_empty() || glob.chars().count() > LONGEST || glob.chars().any(char::is_control) => {
                Err(Problem::wrong(format!("{name}: 1 to {LONGEST} characters, with * for any number of any.")))
            }
            other => Ok(other),
        }
    }

    /// `catalog`.
    pub(crate) fn catalog(&mut self) -> Result<Option<CatalogId>, Problem> {
        self.parsed("catalog")
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&mut self) -> Result<Page, Problem> {
        self.page_of(USUAL)
    }

    /// The same, with another number of items if nobody says how many.
    fn page_of(&mut self, usual: usize) -> Result<Page, Problem> {
        let limit = match self.one("limit")? {
            None => usual,
            Some(text) => Some(text)
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .filter(|limit| (1..=MOST).contains(limit))
                .ok_or_else(|| Problem::wrong(format!("limit: a number from 1 to {MOST}.")))?,
        };
        let cursor = self.one("cursor")?;
        let fits = |text: &String| (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if cursor.as_ref().is_some_and(|text| !fits(text)) {
            return Err(Problem::wrong("cursor: what `next` said in the answer before."));
        }
        Ok(Page { limit, cursor })
    }

    /// All that `findings` knows.
    pub(crate) fn findings(&mut self) -> Result<FindingsQuery, Problem> {
        self.findings_by(USUAL)
    }

    /// The same, so many at a time if nobody says how many.
    pub(crate) fn findings_by(&mut self, usual: usize) -> Result<FindingsQuery, Problem> {
        let mut verdicts = Vec::new();
        for word in self.all("verdict").iter().flat_map(|value| value.split(',')) {
            let verdict = verdict(word)?;
            if !verdicts.contains(&verdict) {
                verdicts.push(verdict);
            }
        }
        let mut severities = Vec::new();
        for word in self.all("severity").iter().flat_map(|value| value.split(',')) {
            let severity = severity(word)?;
            if !severities.contains(&severity) {
                severities.push(severity);
            }
        }
        Ok(FindingsQuery {
            run: self.parsed("run")?,
            verdicts,
            severities,
            provider: self.parsed("provider")?,
            account: self.parsed("account")?,
            control: self.parsed("control")?,
            catalog: self.catalog()?,
            check: self.glob("check")?,
            resource: self.glob("resource")?,
            page: self.page_of(usual)?,
        })
    }

    /// What names one finding.
    pub(crate) fn finding(&mut self) -> Result<FindingKey, Problem> {
        let missing = |name: &str| Problem::wrong(format!("{name}: this names a finding, and is missing."));
        let resource = self.one("resource")?.ok_or_else(|| missing("resource"))?;
        Ok(FindingKey {
            run: self.parsed("run")?,
            check: self.parsed("check")?.ok_or_else(|| missing("check"))?,
            provider: self.parsed("provider")?.ok_or_else(|| missing("provider"))?,
            account: self.parsed("account")?.ok_or_else(|| missing("account"))?,
            region: self.parsed("region")?.ok_or_else(|| missing("region"))?,
            kind: self.parsed("kind")?.ok_or_else(|| missing("kind"))?,
            resource,
        })
    }

    /// Refuses what nobody asked for.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().filter(char::is_ascii_graphic).take(40).collect();
                Err(Problem::wrong(format!("There is no parameter {name:?} here; see /api/v1/openapi.json.")))
            }
        }
    }
}

/// The run that a path names.
pub(crate) fn run(segment: &str) -> Result<RunId, Problem> {
    parse("run", &decode(segment)?)
}

/// The catalogue and control that a path names.
pub(crate) fn of_catalog(segments: &str) -> Result<(CatalogId, ControlId), Problem> {
    let (catalog, number) = segments.split_once('/').unwrap_or((segments, ""));
    Ok((parse("catalog", &decode(catalog)?)?, control(number)?))
}

/// The control that a path names.
pub(crate) fn control(segment: &str) -> Result<ControlId, Problem> {
    parse("control", &decode(segment)?)
}

fn verdict(word: &str) -> Result<Verdict, Problem> {
    [Verdict::Pass, Verdict::Fail, Verdict::Unknown, Verdict::NotApplicable]
        .into_iter()
        .find(|verdict| verdict.as_str() == word)
        .ok_or_else(|| {
            Problem::wrong("verdict: pass, fail, unknown or not_applicable; several with commas between them.")
        })
}

fn severity(word: &str) -> Result<Severity, Problem> {
    [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
        .into_iter()
        .find(|severity| severity.as_str() == word)
        .ok_or_else(|| {
            Problem::wrong("severity: info, low, medium, high or critical; several with commas between them.")
        })
}

/// Says what the rule is, and not what somebody wrote instead.
fn parse<T: FromStr<Err = ModelError>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| match error {
        ModelError::Id { rule, .. } => Problem::wrong(format!("{name}: {rule}.")),
        ModelError::Digest(_) => Problem::wrong(format!("{name}: not understood.")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn findings(query: &str) -> Result<FindingsQuery, Problem> {
        let mut query = Query::parse(Some(query))?;
        let findings = query.findings()?;
        query.finish().map(|()| findings)
    }

    #[test]
    fn everything_has_its_place() {
        let query = "verdict=fail,unknown&verdict=fail&control=A.8.24&catalog=iso27001-2022&check=aws.*&resource=arn%3A*+x\
                     &provider=aws&account=123456789012&severity=high,low\
                     &limit=7&cursor=abc%7e&run=01ARZ3NDEKTSV4RRFFQ69G5FAV&&";
        let query = findings(query).unwrap();
        assert_eq!(query.verdicts, [Verdict::Fail, Verdict::Unknown]);
        assert_eq!(query.control.unwrap().as_str(), "A.8.24");
        assert_eq!(query.catalog.unwrap().as_str(), "iso27001-2022");
        assert_eq!((query.check.unwrap().as_str(), query.resource.unwrap().as_str()), ("aws.*", "arn:* x"));
        assert_eq!(query.severities, [Severity::High, Severity::Low]);
        assert_eq!(query.provider.unwrap().as_str(), "aws");
        assert_eq!(query.account.unwrap().as_str(), "123456789012");
        assert_eq!(query.page, Page { limit: 7, cursor: Some("abc~".into()) });
        assert_eq!(query.run.unwrap().to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(
            findings("").unwrap(),
            FindingsQuery { page: Page { limit: 100, cursor: None }, ..Default::default() }
        );
    }

    #[test]
    fn what_is_wrong_is_refused_without_an_echo() {
        let many = "verdict=pass&".repeat(65);
        let long = format!("check={}", "x".repeat(513));
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+1",
            "limit=",
            "limit=1&limit=1",
            "limit=1e2",
            "verdict=",
            "verdict=bad",
            "verdict=pass,",
            "severity=bad",
            "provider=%2f",
            "run=latest",
            "run=",
            "catalog=A",
            "control=a/b",
            "control=..",
            "check=",
            "check=%00",
            "cursor=",
            "cursor=%20",
            "cursor=%ff",
            "unknown=1",
            "=",
            "%",
            &many,
            &long,
        ] {
            assert!(findings(bad).is_err(), "{bad}");
        }
        let problem = findings("catalog=%3Cscript%3E").unwrap_err();
        assert!(!problem.detail().contains("script"), "{}", problem.detail());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(query in "\\PC{0,80}|((verdict|limit|cursor|run|check)(=|%3d)?[a-z0-9%+,&]{0,6}&?){0,8}") {
            if let Ok(found) = findings(&query) {
                prop_assert!((1..=MOST).contains(&found.page.limit));
            }
        }
    }
}
