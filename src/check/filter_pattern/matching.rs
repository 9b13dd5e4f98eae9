//! Whether a parsed pattern matches a record.

use regex::RegexBuilder;
use serde_json::Value;

use super::parse::{Expression, Mark, Operand, Order, Pattern, Step, Test, Word};

/// The largest program that a regular expression may become.
const REGEX_BYTES: usize = 1 << 20;

/// Whether the pattern matches the record.
pub(super) fn matches(pattern: &Pattern, record: &Value) -> bool {
    match pattern {
        Pattern::Record(expression) => holds(expression, record),
        Pattern::Words(words) => words_match(words, &record.to_string()),
    }
}

fn holds(expression: &Expression, record: &Value) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| holds(part, record)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, record)),
        Expression::Test(path, test) => {
            let selected = select(path, record);
            match test {
                Test::Exists => !selected.is_empty(),
                Test::NotExists => selected.is_empty(),
                _ => selected.into_iter().any(|value| passes(test, value)),
            }
        }
    }
}

fn select<'v>(path: &[Step], record: &'v Value) -> Vec<&'v Value> {
    let mut selected = vec![record];
    for step in path {
        selected = match step {
            Step::Member(name) => selected.into_iter().filter_map(|value| value.get(name)).collect(),
            Step::Index(index) => selected.into_iter().filter_map(|value| value.get(index)).collect(),
            Step::Each => selected.into_iter().filter_map(Value::as_array).flatten().collect(),
        };
    }
    selected
}

fn passes(test: &Test, value: &Value) -> bool {
    match test {
        Test::IsNull => value.is_null(),
        Test::Is(expected) => value.as_bool() == Some(*expected),
        Test::Equal(operand) => equals(operand, value) == Some(true),
        Test::Unequal(operand) => equals(operand, value) == Some(false),
        Test::Compare(order, bound) => value.as_f64().is_some_and(|number| match order {
            Order::Less => number < *bound,
            Order::LessOrEqual => number <= *bound,
            Order::Greater => number > *bound,
            Order::GreaterOrEqual => number >= *bound,
        }),
        Test::Exists | Test::NotExists => false,
    }
}

/// Lists, objects and null equal nothing, and are unequal to nothing.
fn equals(operand: &Operand, value: &Value) -> Option<bool> {
    match value {
        Value::String(text) => text_equals(operand, text),
        Value::Number(number) => {
            let same = match operand {
                Operand::Text(text) => {
                    text.parse::<f64>().ok().zip(number.as_f64()).map(|(a, b)| a.total_cmp(&b).is_eq())
                }
                Operand::Regex(_) => None,
            };
            same.or_else(|| text_equals(operand, &number.to_string()))
        }
        Value::Bool(flag) => text_equals(operand, if *flag { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text_equals(operand: &Operand, text: &str) -> Option<bool> {
    match operand {
        Operand::Text(pattern) => Some(wildcard(pattern, text)),
        Operand::Regex(pattern) => found(pattern, text),
    }
}

/// `None` for a regular expression that is none.
fn found(pattern: &str, text: &str) -> Option<bool> {
    let regex = RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build().ok()?;
    Some(regex.is_match(text))
}

/// Whether the whole text is the pattern, with `*` for any characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

/// Optional words count only where no word is required.
fn words_match(words: &[Word], text: &str) -> bool {
    let contains = |word: &Word| match &word.operand {
        Operand::Text(wanted) => text.contains(wanted.as_str()),
        Operand::Regex(pattern) => found(pattern, text).unwrap_or(false),
    };
    let of = |mark: Mark| words.iter().filter(move |word| word.mark == mark);
    let wanted = if of(Mark::Required).next().is_some() {
        of(Mark::Required).all(contains)
    } else {
        of(Mark::Optional).next().is_none() || of(Mark::Optional).any(contains)
    };
    wanted && !of(Mark::Excluded).any(contains)
}
