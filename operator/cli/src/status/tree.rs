//! Trees, in the characters that the terminal can show.

/// The characters of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbols {
    branch: &'static str,
    last: &'static str,
    beside: &'static str,
}

impl Symbols {
    /// Returns the lines of Unicode, or of ASCII.
    pub fn new(unicode: bool) -> Self {
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

    /// Returns the lines.
    pub(super) fn text(&self, symbols: Symbols) -> String {
        let mut out = format!("{}\n", self.text);
        self.lines(symbols, "", &mut out);
        out
    }

    fn lines(&self, symbols: Symbols, before: &str, out: &mut String) {
        for (at, node) in self.below.iter().enumerate() {
            let is_last = at + 1 == self.below.len();
            let (own, next) = if is_last {
                (symbols.last, "   ")
            } else {
                (symbols.branch, symbols.beside)
            };
            out.push_str(before);
            out.push_str(own);
            out.push_str(&node.text);
            out.push('\n');
            node.lines(symbols, &format!("{before}{next}"), out);
        }
    }
}
