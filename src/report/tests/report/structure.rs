//! The HTML page as a whole: well-formed, self-contained, and every way down leads somewhere.

use std::collections::BTreeSet;

use base64::Engine as _;

use crate::sample::{page, rich};

/// Elements that have no end.
const VOID: [&str; 4] = ["meta", "input", "br", "hr"];

/// An element's name and attributes.
pub(crate) type Element = (String, Attributes);

/// A strict reader of the HTML that we write: quoted attributes, every element closed where it was opened.
pub(crate) fn read(html: &str) -> Result<Vec<Element>, String> {
    let mut elements = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        if text.contains('>') && !open.last().is_some_and(|name| name == "script" || name == "style") {
            return Err(format!("a bare > in {text:?}"));
        }
        rest = &rest[at..];
        let raw = ["<!doctype html>", "</"].iter().find(|start| rest.starts_with(**start));
        match raw {
            Some(&"<!doctype html>") => rest = &rest["<!doctype html>".len()..],
            Some(_) => {
                let end = rest.find('>').ok_or("an end tag without end")?;
                let name = &rest[2..end];
                let opened = open.pop();
                if opened.as_deref() != Some(name) {
                    return Err(format!("</{name}> closes {opened:?}"));
                }
                rest = &rest[end + 1..];
            }
            None => {
                let (name, attributes, after) = start_tag(&rest[1..])?;
                rest = after;
                if name == "script" || name == "style" {
                    let end = rest.find(&format!("</{name}>")).ok_or("raw text without end")?;
                    rest = &rest[end..];
                }
                if !VOID.contains(&name.as_str()) {
                    open.push(name.clone());
                }
                elements.push((name, attributes));
            }
        }
    }
    if open.is_empty() { Ok(elements) } else { Err(format!("never closed: {open:?}")) }
}

type Attributes = Vec<(String, String)>;
type Start<'a> = (String, Attributes, &'a str);

fn start_tag(tag: &str) -> Result<Start<'_>, String> {
    let end = tag.find([' ', '>', '\n']).ok_or("a tag without end")?;
    let name = &tag[..end];
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Err(format!("no element is called {name:?}"));
    }
    let mut attributes = Vec::new();
    let mut rest = tag[end..].trim_start();
    while !rest.starts_with('>') {
        let end = rest.find(['=', ' ', '>']).ok_or("an attribute without end")?;
        let attribute = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let end = quoted.find('"').ok_or("a value without end")?;
            quoted[..end].clone_into(&mut value);
            rest = &quoted[end + 1..];
        } else if rest.starts_with('=') {
            return Err(format!("{attribute} is not quoted"));
        }
        attributes.push((attribute, value));
        rest = rest.trim_start();
    }
    Ok((name.to_owned(), attributes, &rest[1..]))
}

#[test]
fn the_page_is_well_formed() {
    let elements = read(&page(&rich())).unwrap();
    assert!(elements.len() > 300);
    assert!(read("<p><b></p></b>").is_err(), "the reader itself must be able to refuse");
    assert!(read("<p title=a></p>").is_err());
}

#[test]
fn the_page_loads_nothing() {
    let html = page(&rich());
    for (name, attributes) in read(&html).unwrap() {
        assert!(!["link", "img", "iframe", "object", "embed", "base", "audio", "video"].contains(&&*name), "{name}");
        for (attribute, value) in attributes {
            assert!(!["src", "srcset", "style", "action", "data"].contains(&&*attribute), "{name} has {attribute}");
            assert!(name != "form" || attribute != "method", "nothing is sent");
            assert!(!attribute.starts_with("on"), "{name} has {attribute}");
            assert!(attribute != "href" || value.starts_with('#'), "{name} leads to {value}");
        }
    }
    let html = html.replace("url(#hatch)", "");
    for load in ["http://", "https://", "url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
        assert!(!html.contains(load), "{load}");
    }
}

#[test]
fn its_policy_admits_its_own_script_and_style_only() {
    let html = page(&rich());
    let elements = read(&html).unwrap();
    let meta = elements.iter().find(|(_, attributes)| attributes.iter().any(|(_, v)| v == "Content-Security-Policy"));
    let policy = &meta.unwrap().1.iter().find(|(name, _)| name == "content").unwrap().1;
    assert!(policy.starts_with("default-src &#x27;none&#x27;"), "{policy}");
    assert!(!policy.contains("unsafe"));
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (_, text) = html.split_once(&format!("<{element}>")).unwrap();
        let (text, _) = text.split_once(&format!("</{element}>")).unwrap();
        let digest = evidenced_model::Digest::of(text.as_bytes());
        let digest = base64::engine::general_purpose::STANDARD.encode(digest.as_bytes());
        let escaped = digest.replace('/', "&#x2f;");
        assert!(policy.contains(&format!("{directive} &#x27;sha256-{escaped}&#x27;")), "{policy} {digest}");
    }
}

#[test]
fn every_link_leads_somewhere_and_no_name_is_used_twice() {
    for html in [page(&rich()), crate::pages::with_period(), crate::pages::over_time()] {
        links_lead_somewhere(&html);
    }
}

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn links_lead_somewhere(html: &str) {
    let elements = read(html).unwrap();
    let all = |wanted: &str| -> Vec<String> {
        let attributes = elements.iter().flat_map(|(_, attributes)| attributes);
        attributes.filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).collect()
    };
    let ids = all("id");
    let unique: BTreeSet<_> = ids.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), ids.len());
    let links = all("href");
    assert!(links.len() > 10);
    for link in links {
        let place = link.trim_start_matches('#').split('?').next().unwrap();
        assert!(unique.contains(place), "{link} leads nowhere");
    }
}

#[test]
fn every_standing_appears() {
    let html = page(&rich());
    let text = evidenced_report::text(&rich(), &evidenced_report::Style::default());
    for word in
        ["contradicted", "incomplete", "supported with exceptions", "supported", "no subject", "manual", "excluded"]
    {
        assert!(html.contains(&format!("{word}</span></summary>")), "{word}");
        assert!(text.contains(word), "{word}");
    }
    assert!(!html.to_lowercase().contains("compliant"));
    assert!(!text.to_lowercase().contains("compliant"));
}

#[test]
fn the_way_down_is_there() {
    let html = page(&rich());
    for step in [
        "id=\"control-iso27001-2022-A.8.12\"",
        "href=\"#objective-storage.not-public\"",
        "href=\"#check-aws.s3.not_public\"",
        "backups-of-the-old-shop-with-a-rather-long-name",
        "AllUsers",
        "s3:GetBucketPolicy",
        "waived by W-7",
        "the organisation owns no equipment",
        "Organisation chart or table of duties",
        "only holds public test data",
        "log_buckets",
    ] {
        assert!(html.contains(step), "{step}");
    }
    assert!(html.contains(&crate::sample::OBJECT.replace('/', "&#x2f;")));
}
