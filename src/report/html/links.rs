//! Where links lead: to places in the file, or to pages of the daemon. Templates ask here and know neither.

use minijinja::value::Kwargs;
use minijinja::{Environment, Error};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a part of a link as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Sections of the file, and the pages of the daemon that hold them.
const SECTIONS: [(&str, &str); 12] = [
    ("overview", ""),
    ("failing", "#failing"),
    ("timeline", "timeline"),
    ("controls", "controls"),
    ("checks", "checks"),
    ("findings", "findings"),
    ("unread", "coverage#unread"),
    ("coverage", "coverage"),
    ("people", "trust#people"),
    ("waivers", "trust#waivers"),
    ("trust", "trust"),
    ("verify", "trust#verify"),
];

/// Where links lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// To places in the same file.
    File,
    /// To pages of the daemon, by way of this beginning: relative, so that a proxy may put them below a path.
    Served(&'static str),
}

impl Links {
    /// Gives templates the functions that make links.
    pub(super) fn install(self, env: &mut Environment<'_>) {
        env.add_function("to", move |section: &str| self.section(section));
        env.add_function("to_control", move |catalog: &str, control: &str| self.control(catalog, control));
        env.add_function("to_check", move |check: &str| match self {
            Self::File => format!("#check-{}", anchor(check)),
            Self::Served(base) => format!("{base}findings?check={}", encoded(check)),
        });
        env.add_function("to_findings", move |options: Kwargs| self.query("findings", &options));
        env.add_function("to_finding", move |options: Kwargs| self.query("finding", &options));
    }

    fn section(self, section: &str) -> String {
        let page = SECTIONS.iter().find(|(name, _)| *name == section).map_or("", |(_, page)| page);
        match self {
            Self::File => format!("#{section}"),
            Self::Served(base) if page.is_empty() && base.is_empty() => "./".to_owned(),
            Self::Served(base) if page.starts_with('#') && base.is_empty() => format!("./{page}"),
            Self::Served(base) => format!("{base}{page}"),
        }
    }

    fn control(self, catalog: &str, control: &str) -> String {
        match self {
            Self::File => format!("#control-{}-{}", anchor(catalog), anchor(control)),
            Self::Served(base) => format!("{base}controls/{}/{}", encoded(catalog), encoded(control)),
        }
    }

    /// A link with a query. What is empty is left out.
    fn query(self, page: &str, options: &Kwargs) -> Result<String, Error> {
        let mut pairs = Vec::new();
        for name in options.args() {
            let value: Option<String> = options.get(name)?;
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                pairs.push((name.to_owned(), value));
            }
        }
        options.assert_all_used()?;
        pairs.sort();
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let start = match self {
            Self::File => format!("#{page}"),
            Self::Served(base) => format!("{base}{page}"),
        };
        Ok(if pairs.is_empty() { start } else { format!("{start}?{}", pairs.join("&")) })
    }
}

/// A name for a place in the page.
pub(super) fn anchor(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_leads_to_a_place_or_to_a_page() {
        assert_eq!(Links::File.section("unread"), "#unread");
        assert_eq!(Links::Served("").section("unread"), "coverage#unread");
        assert_eq!(Links::Served("").section("overview"), "./");
        assert_eq!(Links::Served("../../").section("overview"), "../../");
        assert_eq!(Links::Served("../../").section("failing"), "../../#failing");
        assert_eq!(Links::File.control("iso27001-2022", "A.8.24"), "#control-iso27001-2022-A.8.24");
        assert_eq!(Links::Served("../../").control("iso27001-2022", "A.8.24"), "../../controls/iso27001-2022/A.8.24");
    }

    #[test]
    fn whatever_a_name_holds_stays_in_its_part_of_the_link() {
        let mut env = Environment::new();
        Links::Served("").install(&mut env);
        let link = env.render_str("{{ to_finding(resource='a&b=c#d\"<>', check='x', account='') }}", ()).unwrap();
        assert_eq!(link, "finding?check=x&resource=a%26b%3Dc%23d%22%3C%3E");
        assert_eq!(anchor("a b\"<é"), "a_b___");
    }
}
