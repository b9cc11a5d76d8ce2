//! Tables as kubectl prints them: no borders, heads in capitals, three spaces between columns.

use super::style::{Paint as _, Tone};

const GAP: &str = "   ";

/// The fewest columns for a last column beside the others. With less room it goes below its row.
const ROOM_FOR_LAST: usize = 32;

/// How far a last column below its row is indented.
const INDENT: &str = "  ";

/// A table. Its last column is for sentences, and is broken where the terminal ends, or goes below its row.
///
/// Where the other columns would be wider than the terminal, a context that is the same in each row is left out, then the
/// number of images. A name is never cut, because people copy it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    /// Makes a table with these heads.
    pub fn new(heads: &[&'static str]) -> Self {
        Self {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. An empty cell becomes a dash, except in the last column.
    pub fn row(&mut self, cells: Vec<(String, Tone)>) {
        self.rows.push(cells);
    }

    /// Returns whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table, no wider than `width` where that is possible.
    pub fn text(&self, width: Option<usize>) -> String {
        let mut narrowed = self.clone();
        while let Some(column) = width.and_then(|width| narrowed.spare(width)) {
            narrowed.heads.remove(column);
            for row in narrowed.rows.iter_mut().filter(|row| column < row.len()) {
                row.remove(column);
            }
        }
        narrowed.fitted(width)
    }

    /// Returns the first column that can be left out, if those before the last are too wide together.
    fn spare(&self, width: usize) -> Option<usize> {
        let last = self.heads.len().saturating_sub(1);
        let widths = (0..last).map(|column| self.width_of(column) + GAP.len());
        if widths.sum::<usize>().saturating_sub(GAP.len()) <= width {
            return None;
        }
        let is_equal = |column: usize| {
            let mut texts = self.rows.iter().map(|row| row.get(column).map(|(text, _)| text));
            let first = texts.next();
            texts.all(|text| Some(text) == first)
        };
        (0..last).find(|&column| match self.heads[column] {
            "CONTEXT" => is_equal(column),
            head => head == "IMAGES",
        })
    }

    fn fitted(&self, width: Option<usize>) -> String {
        let last = self.heads.len().saturating_sub(1);
        let widths: Vec<usize> = (0..last).map(|column| self.width_of(column)).collect();
        let before: usize = widths.iter().map(|width| width + GAP.len()).sum();
        let longest = self
            .rows
            .iter()
            .filter_map(|row| row.get(last))
            .map(|(text, _)| columns(text))
            .max();
        let fits = width.is_none_or(|width| before + longest.unwrap_or(0) <= width);
        let beside = width.is_none_or(|width| fits || width.saturating_sub(before) >= ROOM_FOR_LAST);
        let mut text = String::new();
        let heads: Vec<(String, Tone)> = self.heads.iter().map(|head| ((*head).to_owned(), Tone::Head)).collect();
        let (firsts, sentence) = heads.split_at(if beside { heads.len() } else { last });
        line(&mut text, &widths, firsts);
        for (head, tone) in sentence.iter().filter(|_| longest.is_some_and(|longest| longest > 0)) {
            push(&mut text, &format!("{INDENT}{}", head.paint(*tone)));
        }
        for row in &self.rows {
            let cells: Vec<(String, Tone)> = row
                .iter()
                .enumerate()
                .map(|(at, cell)| filled(cell, at == last))
                .collect();
            let (firsts, sentence) = cells.split_at(last.min(cells.len()));
            let sentence = sentence.first().cloned().unwrap_or_default();
            if beside {
                let room = width.filter(|_| !fits).map_or(usize::MAX, |width| width - before);
                let mut lines = wrapped(&sentence.0, room).into_iter();
                let first = (lines.next().unwrap_or_default(), sentence.1);
                line(&mut text, &widths, &[firsts, &[first]].concat());
                for more in lines {
                    push(&mut text, &format!("{}{}", " ".repeat(before), more.paint(sentence.1)));
                }
            } else {
                line(&mut text, &widths, firsts);
                let room = width.unwrap_or(usize::MAX).saturating_sub(INDENT.len());
                for more in wrapped(&sentence.0, room).iter().filter(|line| !line.is_empty()) {
                    push(&mut text, &format!("{INDENT}{}", more.paint(sentence.1)));
                }
            }
        }
        text
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self
            .rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|(text, _)| columns(text).max(1));
        cells
            .chain(self.heads.get(column).map(|head| columns(head)))
            .max()
            .unwrap_or(0)
    }
}

fn filled((text, tone): &(String, Tone), is_last: bool) -> (String, Tone) {
    if text.is_empty() && !is_last {
        return ("-".to_owned(), Tone::Plain);
    }
    (text.clone(), *tone)
}

/// Adds a line of padded cells, without spaces at its end.
fn line(text: &mut String, widths: &[usize], cells: &[(String, Tone)]) {
    let mut out = String::new();
    for (at, (cell, tone)) in cells.iter().enumerate() {
        let is_last = cells
            .get(at + 1..)
            .is_none_or(|rest| rest.iter().all(|(text, _)| text.is_empty()));
        out.push_str(&cell.paint(*tone));
        if is_last {
            break;
        }
        let padding = widths.get(at).map_or(0, |width| width.saturating_sub(columns(cell)));
        out.push_str(&" ".repeat(padding));
        out.push_str(GAP);
    }
    push(text, &out);
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The columns of a text. Names and sentences here have no wide characters.
fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a sentence between words. A word that is too long keeps a line of its own.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let current = lines.last().map_or(0, |line| columns(line));
        let needed = columns(word) + usize::from(current > 0);
        if current > 0 && current.saturating_add(needed) > room {
            lines.push(word.to_owned());
        } else if let Some(line) = lines.last_mut() {
            if current > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The same lines, of which the first begins with `first` and the others with `rest`. Neither counts as part of `room`.
pub(crate) fn hanging(text: &str, room: usize, first: &str, rest: &str) -> Vec<String> {
    let starts = std::iter::once(first).chain(std::iter::repeat(rest));
    let lines = starts.zip(wrapped(text, room));
    lines
        .map(|(start, line)| format!("{start}{}", line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAMESPACE", "KIND", "WHY"]);
        for (namespace, kind, why) in [
            (
                "a",
                "Deployment",
                "the quick brown fox jumps over the lazy dog and the sleeping cat",
            ),
            ("long-name", "", "short"),
            ("b", "Job", ""),
        ] {
            let plain = |text: &str| (text.to_owned(), Tone::Plain);
            table.row(vec![plain(namespace), plain(kind), plain(why)]);
        }
        table
    }

    fn shown(width: Option<usize>) -> String {
        anstream::adapter::strip_str(&table().text(width)).to_string()
    }

    #[test]
    fn columns_are_padded_and_lines_end_in_text() {
        assert_eq!(
            shown(None),
            "NAMESPACE   KIND         WHY\n\
             a           Deployment   the quick brown fox jumps over the lazy dog and the sleeping cat\n\
             long-name   -            short\n\
             b           Job\n"
        );
        assert_eq!(shown(Some(200)), shown(None));
    }

    #[test]
    fn sentences_are_broken_beside_or_below_their_row() {
        assert_eq!(
            shown(Some(60)),
            "NAMESPACE   KIND         WHY\n\
             a           Deployment   the quick brown fox jumps over the\n\
             \x20                        lazy dog and the sleeping cat\n\
             long-name   -            short\n\
             b           Job\n"
        );
        assert_eq!(
            shown(Some(40)),
            "NAMESPACE   KIND\n\
             \x20 WHY\n\
             a           Deployment\n\
             \x20 the quick brown fox jumps over the\n\
             \x20 lazy dog and the sleeping cat\n\
             long-name   -\n\
             \x20 short\n\
             b           Job\n"
        );
    }

    /// As little as possible is left out, and no context that tells two rows apart.
    #[test]
    fn spare_columns_are_left_out_of_narrow_tables() {
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        let mut table = Table::new(&["CONTEXT", "NAMESPACE", "IMAGES", "NAME", "WHY"]);
        table.row(
            ["production", "payments", "1", "Deployment/a-long-name", "it fails"]
                .map(plain)
                .to_vec(),
        );
        let heads = |table: &Table, width| {
            let text = anstream::adapter::strip_str(&table.text(Some(width))).to_string();
            let head = text.lines().next().unwrap_or_default().split_whitespace();
            head.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(heads(&table, 60), ["CONTEXT", "NAMESPACE", "IMAGES", "NAME"]);
        assert_eq!(heads(&table, 50), ["NAMESPACE", "IMAGES", "NAME"]);
        assert_eq!(heads(&table, 40), ["NAMESPACE", "NAME"]);
        assert_eq!(heads(&table, 30), ["NAMESPACE", "NAME"], "a name is never cut");
        table.row(
            ["staging", "payments", "1", "Deployment/a-long-name", "it fails"]
                .map(plain)
                .to_vec(),
        );
        assert_eq!(heads(&table, 50), ["CONTEXT", "NAMESPACE", "NAME"]);
    }

    #[test]
    fn heads_and_words_have_their_colour() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec![("bad".to_owned(), Tone::Bad), ("x".to_owned(), Tone::Plain)]);
        let text = table.text(None);
        assert!(text.contains("\u{1b}[31mbad\u{1b}[0m   x"), "{text:?}");
    }
}
