//! Trees, in the characters that the terminal can show, and as wide as it is.

use crate::output::{Terminal, hanging};

/// How far the rest of a broken line is indented.
const CONTINUED: &str = "  ";

/// The characters of a tree.
#[derive(Clone, Copy)]
struct Symbols {
    branch: &'static str,
    last: &'static str,
    beside: &'static str,
}

impl Symbols {
    /// Returns the lines of Unicode, or of ASCII.
    fn new(unicode: bool) -> Self {
        if unicode {
            Self {
                branch: "├─ ",
                last: "└─ ",
                beside: "│  ",
            }
        } else {
            Self {
                branch: "|- ",
                last: "`- ",
                beside: "|  ",
            }
        }
    }
}

/// A line with those below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    text: String,
    below: Vec<Node>,
}

impl Node {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            below: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, node: Self) {
        self.below.push(node);
    }

    /// Adds lines of columns, all as wide as their widest cell.
    pub(super) fn add_rows(&mut self, rows: &[[String; 3]]) {
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1)];
        for [first, second, rest] in rows {
            let text = format!("{first:0$}   {second:1$}   {rest}", widths[0], widths[1]);
            self.add(Self::new(text.trim_end()));
        }
    }

    /// Returns the lines. Those that are wider than the terminal are broken between words.
    pub(super) fn text(&self, terminal: Terminal) -> String {
        let mut out = String::new();
        self.lines(terminal, ("", ""), &mut out);
        out
    }

    /// Adds this line after `own`, and those below it after `before`.
    fn lines(&self, terminal: Terminal, (own, before): (&str, &str), out: &mut String) {
        let room = terminal.width.unwrap_or(usize::MAX);
        let room = room.saturating_sub(before.chars().count() + CONTINUED.len());
        for line in hanging(&self.text, room, own, &format!("{before}{CONTINUED}")) {
            out.push_str(&line);
            out.push('\n');
        }
        let symbols = Symbols::new(terminal.unicode);
        for (at, node) in self.below.iter().enumerate() {
            let is_last = at + 1 == self.below.len();
            let (own, next) = if is_last {
                (symbols.last, "   ")
            } else {
                (symbols.branch, symbols.beside)
            };
            node.lines(terminal, (&format!("{before}{own}"), &format!("{before}{next}")), out);
        }
    }
}
