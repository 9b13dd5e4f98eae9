//! Lines for a terminal: every piece of text is made visible, wrapped and painted in one place.

use crate::visible::{cut, visible};

/// How text for a terminal looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether it may be coloured.
    pub color: bool,
    /// The columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 80 }
    }
}

/// The colours that are used, as SGR parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
        }
    }
}

/// Names and values on a terminal are cut after so many bytes; JSON and HTML hold more.
const LONGEST: usize = 400;

/// A text that grows line by line.
pub(crate) struct Page {
    out: String,
    style: Style,
}

/// One line that is being put together.
pub(crate) struct Line {
    text: String,
    color: bool,
}

impl Page {
    pub(crate) fn new(style: &Style) -> Self {
        Self { out: String::new(), style: Style { width: style.width.clamp(40, 160), ..*style } }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// A line to be filled.
    pub(crate) fn say(&self) -> Line {
        Line { text: String::new(), color: self.style.color }
    }

    /// A heading, with an empty line before it.
    pub(crate) fn heading(&mut self, text: &str) {
        let line = self.say().painted(Paint::Bold, text);
        self.out.push('\n');
        self.put(0, 0, &line);
    }

    /// A wrapped line, whose further lines are indented as deep as the first.
    pub(crate) fn line(&mut self, indent: usize, line: &Line) {
        self.put(indent, indent, line);
    }

    /// A wrapped line, whose further lines are indented on their own.
    pub(crate) fn put(&mut self, first: usize, further: usize, line: &Line) {
        let (first, further) = (" ".repeat(first), " ".repeat(further));
        let options = textwrap::Options::new(self.style.width)
            .initial_indent(&first)
            .subsequent_indent(&further)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        for line in textwrap::wrap(&line.text, options) {
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
    }

    /// A command or a path, which is not wrapped, so that it can be copied.
    pub(crate) fn command(&mut self, indent: usize, command: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(&visible(command));
        self.out.push('\n');
    }
}

impl Line {
    /// Adds text.
    pub(crate) fn plain(mut self, text: &str) -> Self {
        self.text.push_str(&visible(&cut(text, LONGEST)));
        self
    }

    /// Adds painted text.
    pub(crate) fn painted(mut self, paint: Paint, text: &str) -> Self {
        let text = cut(text, LONGEST);
        let text = visible(&text);
        if self.color && !text.is_empty() {
            self.text.push_str("\x1b[");
            self.text.push_str(paint.code());
            self.text.push('m');
            self.text.push_str(&text);
            self.text.push_str("\x1b[0m");
        } else {
            self.text.push_str(&text);
        }
        self
    }

    /// Fills up with spaces to this column.
    pub(crate) fn column(mut self, column: usize) -> Self {
        let width = textwrap::core::display_width(&self.text);
        self.text.push_str(&" ".repeat(column.saturating_sub(width).max(1)));
        self
    }
}
