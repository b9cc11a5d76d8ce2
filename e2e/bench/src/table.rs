//! Result as a table.
#![expect(clippy::print_stdout, reason = "the result is what it prints")]

use serde::Serialize;

use crate::figures::Samples;
use crate::machine::Machine;

/// One measured quantity.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    namespaces: usize,
    /// The number of objects, if the row is about many.
    objects: Option<usize>,
    what: String,
    unit: &'static str,
    /// The operator's figure, or none if it took no part.
    ours: Option<f64>,
    /// Smallest and largest value of the rounds.
    range: Option<(f64, f64)>,
    /// The figure of the limit loop, or the floor.
    limit: Option<f64>,
    limit_range: Option<(f64, f64)>,
    /// The operator's figure divided by the limit: the median of the rounds.
    ratio: Option<f64>,
    /// The upper bound.
    target: Option<String>,
    samples: Option<Samples>,
    limit_samples: Option<Samples>,
}

impl Row {
    /// Creates a row with one figure and no comparison.
    pub(crate) fn single(namespaces: usize, what: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self {
            namespaces,
            objects: None,
            what: what.into(),
            unit,
            ours: Some(ours),
            range: None,
            limit: None,
            limit_range: None,
            ratio: None,
            target: None,
            samples: None,
            limit_samples: None,
        }
    }

    /// Creates a row with rounds of the operator and of the limit loop.
    pub(crate) fn rounds(
        namespaces: usize,
        what: impl Into<String>,
        unit: &'static str,
        ours: Samples,
        limit: Samples,
    ) -> Self {
        Self {
            range: Some(ours.range()),
            limit: Some(limit.median()),
            limit_range: Some(limit.range()),
            ratio: ratio(&ours, &limit),
            ours: Some(ours.median()),
            samples: Some(ours),
            limit_samples: Some(limit),
            ..Self::single(namespaces, what, unit, 0.0)
        }
    }

    /// Creates a row of the limit loop alone.
    pub(crate) fn limit(namespaces: usize, what: impl Into<String>, unit: &'static str, limit: f64) -> Self {
        Self {
            ours: None,
            limit: Some(limit),
            ..Self::single(namespaces, what, unit, 0.0)
        }
    }

    /// Creates a row for a variant of the limit loop, with the ratio to its usual variant.
    pub(crate) fn limit_rounds(
        namespaces: usize,
        what: impl Into<String>,
        unit: &'static str,
        limit: &Samples,
        elsewhere: &Samples,
    ) -> Self {
        Self {
            limit_range: Some(limit.range()),
            ratio: ratio(limit, elsewhere),
            limit_samples: Some(limit.clone()),
            ..Self::limit(namespaces, what, unit, limit.median())
        }
    }

    /// Adds a figure of the same kind to compare with.
    pub(crate) fn beside(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self.ratio = self.ours.map(|ours| ours / limit);
        self
    }

    /// Adds the samples of the figure.
    pub(crate) fn of(mut self, samples: &Samples) -> Self {
        self.samples = Some(samples.clone());
        self
    }

    /// Adds the number of objects.
    pub(crate) fn objects(mut self, objects: usize) -> Self {
        self.objects = Some(objects);
        self
    }

    /// Adds the upper bound, in words.
    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }
}

/// Returns the median ratio of the rounds, or none without rounds.
fn ratio(samples: &Samples, to: &Samples) -> Option<f64> {
    Some(samples.over(to).median()).filter(|ratio| ratio.is_finite())
}

/// All rows.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    machine: Machine,
    /// What is measured, and what it is compared with.
    between: [&'static str; 2],
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            between: ["operator", "limit"],
            rows: Vec::new(),
        }
    }

    /// Names what is measured, and what it is compared with.
    pub(crate) fn between(mut self, ours: &'static str, theirs: &'static str) -> Self {
        self.between = [ours, theirs];
        self
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Returns each figure of that name: the number of namespaces or objects, the operator's value, the limit loop's
    /// value. Rows about objects count only at the largest number of namespaces.
    pub(crate) fn series(&self, what: &str) -> Vec<(usize, Option<f64>, Option<f64>)> {
        let rows = || self.rows.iter().filter(|row| row.what == what);
        let most = rows().map(|row| row.namespaces).max();
        let shown = rows().filter(|row| row.objects.is_none() || Some(row.namespaces) == most);
        shown
            .map(|row| (row.objects.unwrap_or(row.namespaces), row.ours, row.limit))
            .collect()
    }

    pub(crate) fn print_json(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string_pretty(self)?);
        Ok(())
    }

    pub(crate) fn print(&self) {
        for line in self.machine.lines() {
            println!("{line}");
        }
        println!("median (smallest to largest); the ratio is the median of the rounds' ratios\n");
        let [ours, theirs] = self.between;
        let heads = ["namespaces", "", ours, theirs, "ratio", "target"];
        let lines: Vec<[String; 6]> = self.rows.iter().map(cells).collect();
        let width = |column: usize| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.chain([heads[column].len()]).max().unwrap_or_default()
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        println!("{}", joined(&heads.map(str::to_owned), &widths));
        for line in &lines {
            println!("{}", joined(line, &widths));
        }
    }
}

fn joined(cells: &[String; 6], widths: &[usize; 6]) -> String {
    let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        // Words are aligned to the left, numbers to the right.
        if matches!(column, 1 | 5) {
            format!("{cell:<width$}")
        } else {
            format!("{cell:>width$}")
        }
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn cells(row: &Row) -> [String; 6] {
    let with_range = |value: f64, range: Option<(f64, f64)>| match range {
        Some((low, high)) => format!("{} ({} to {}) {}", short(value), short(low), short(high), row.unit),
        None => format!("{} {}", short(value), row.unit),
    };
    [
        row.namespaces.to_string(),
        row.objects.map_or_else(
            || row.what.clone(),
            |objects| format!("{objects} objects, {}", row.what),
        ),
        row.ours.map_or_else(String::new, |ours| with_range(ours, row.range)),
        row.limit
            .map_or_else(String::new, |limit| with_range(limit, row.limit_range)),
        row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        row.target.clone().unwrap_or_default(),
    ]
}

/// Figures are accurate to three digits at most. Counts are shown in full.
fn short(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_long_as_they_are_worth() {
        assert_eq!(
            [2.345, 23.45, 234.5, 4003.0].map(short),
            ["2.35", "23.4", "234", "4003"]
        );
    }

    #[test]
    fn the_ratio_is_that_of_each_round() {
        // The machine was twice as slow in the second round, for both.
        let row = Row::rounds(10, "fill", "s", Samples(vec![1.1, 2.2]), Samples(vec![1.0, 2.0]));
        assert_eq!(row.ratio.map(|ratio| (ratio * 100.0).round()), Some(110.0));
    }
}
