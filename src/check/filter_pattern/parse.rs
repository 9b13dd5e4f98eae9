//! From a filter pattern's text to its tests.

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pattern {
    /// `{ … }`: tests on a JSON record.
    Record(Expression),
    /// Words to look for in the text.
    Words(Vec<Word>),
}

/// Tests, combined.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// Every one.
    All(Vec<Expression>),
    /// At least one.
    Any(Vec<Expression>),
    /// One test on what a path selects.
    Test(Vec<Step>, Test),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Into a member.
    Member(String),
    /// Into an element.
    Index(usize),
    /// Into each element.
    Each,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Equal(Operand),
    Unequal(Operand),
    Compare(Order, f64),
    IsNull,
    Is(bool),
    Exists,
    NotExists,
}

/// How a number compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// Text, with `*` for any characters.
    Text(String),
    /// `%…%`: a regular expression.
    Regex(String),
}

/// A word to look for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) mark: Mark,
    pub(super) operand: Operand,
}

/// How a word counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mark {
    Required,
    Optional,
    Excluded,
}

const DEEPEST: usize = 32;
const QUOTES: [char; 3] = ['"', '\'', '%'];

/// Parses a pattern; `None` for what is none, and for those on space-delimited text (`[…]`), which records are not.
pub(super) fn parse(pattern: &str) -> Option<Pattern> {
    let mut parser = Parser { rest: pattern.trim() };
    if parser.rest.starts_with('[') {
        return None;
    }
    if !parser.take("{") {
        return parser.words().map(Pattern::Words);
    }
    let expression = parser.any(0)?;
    (parser.take("}") && parser.rest.is_empty()).then_some(Pattern::Record(expression))
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    /// Takes a token and the space around it.
    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    /// Takes a keyword, whatever its case.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.rest.get(..keyword.len()).is_some_and(|start| start.eq_ignore_ascii_case(keyword))
            && !self.rest[keyword.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if found {
            self.rest = self.rest[keyword.len()..].trim_start();
        }
        found
    }

    fn any(&mut self, depth: usize) -> Option<Expression> {
        let mut parts = vec![self.all(depth)?];
        while self.take("||") {
            parts.push(self.all(depth)?);
        }
        Some(Expression::Any(parts))
    }

    fn all(&mut self, depth: usize) -> Option<Expression> {
        let mut parts = vec![self.one(depth)?];
        while self.take("&&") {
            parts.push(self.one(depth)?);
        }
        Some(Expression::All(parts))
    }

    fn one(&mut self, depth: usize) -> Option<Expression> {
        if depth > DEEPEST {
            return None;
        }
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            return self.take(")").then_some(inner);
        }
        let path = self.path()?;
        let test = self.test()?;
        Some(Expression::Test(path, test))
    }

    fn path(&mut self) -> Option<Vec<Step>> {
        self.rest = self.rest.trim_start().strip_prefix('$')?;
        let mut steps = Vec::new();
        loop {
            let after_dot = self.rest.strip_prefix('.');
            if let Some(rest) = after_dot.unwrap_or(self.rest).strip_prefix('[') {
                self.rest = rest;
                steps.push(self.bracket()?);
            } else if let Some(rest) = after_dot {
                let end = rest.find(|c: char| c.is_whitespace() || ".[]()=!<>&|{}\"".contains(c)).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                steps.push(Step::Member(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else {
                self.rest = self.rest.trim_start();
                return (!steps.is_empty()).then_some(steps);
            }
        }
    }

    /// What stands in brackets: a position, `*`, or a quoted name.
    fn bracket(&mut self) -> Option<Step> {
        let quote = self.rest.chars().next().filter(|c| *c == '\'' || *c == '"');
        let inner = if let Some(quote) = quote {
            let (name, rest) = self.rest[1..].split_once(quote)?;
            self.rest = rest;
            Step::Member(name.to_owned())
        } else {
            let end = self.rest.find(']')?;
            let inner = self.rest[..end].trim();
            self.rest = &self.rest[end..];
            if inner == "*" { Step::Each } else { Step::Index(inner.parse().ok()?) }
        };
        self.rest = self.rest.strip_prefix(']')?;
        Some(inner)
    }

    fn test(&mut self) -> Option<Test> {
        if self.keyword("NOT") {
            return self.keyword("EXISTS").then_some(Test::NotExists);
        }
        if self.keyword("EXISTS") {
            return Some(Test::Exists);
        }
        if self.keyword("IS") {
            let words = [("NULL", Test::IsNull), ("TRUE", Test::Is(true)), ("FALSE", Test::Is(false))];
            return words.into_iter().find(|(word, _)| self.keyword(word)).map(|(_, test)| test);
        }
        if self.take("!=") {
            return self.operand().map(Test::Unequal);
        }
        let orders =
            [("<=", Order::LessOrEqual), (">=", Order::GreaterOrEqual), ("<", Order::Less), (">", Order::Greater)];
        for (sign, order) in orders {
            if self.take(sign) {
                let Operand::Text(number) = self.operand()? else { return None };
                return Some(Test::Compare(order, number.parse().ok()?));
            }
        }
        if self.take("=") { self.operand().map(Test::Equal) } else { None }
    }

    fn operand(&mut self) -> Option<Operand> {
        if self.rest.starts_with(QUOTES) {
            return self.quoted();
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "()&|{}\"".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        (!word.is_empty()).then(|| Operand::Text(word.to_owned()))
    }

    /// `"…"`, `'…'` or `%…%`; `None` if it never ends.
    fn quoted(&mut self) -> Option<Operand> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.rest = self.rest[at + 1..].trim_start();
                return Some(if quote == '%' { Operand::Regex(text) } else { Operand::Text(text) });
            }
            if character == '\\' && quote != '%' {
                text.extend(characters.next().map(|(_, escaped)| escaped));
            } else {
                text.push(character);
            }
        }
        None
    }

    fn words(&mut self) -> Option<Vec<Word>> {
        let mut words = Vec::new();
        while !self.rest.is_empty() {
            let mark = match self.rest.chars().next() {
                Some('?') => Mark::Optional,
                Some('-') => Mark::Excluded,
                _ => Mark::Required,
            };
            if mark != Mark::Required {
                self.rest = &self.rest[1..];
            }
            words.push(Word { mark, operand: self.word()? });
        }
        Some(words)
    }

    fn word(&mut self) -> Option<Operand> {
        if self.rest.starts_with(QUOTES) {
            return self.quoted();
        }
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        (!word.is_empty()).then(|| Operand::Text(word.to_owned()))
    }
}
