//! The text of `/metrics`, and the table with its expected content.

use std::collections::{BTreeMap, BTreeSet};

/// Metadata of a metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) kind: String,
    pub(crate) unit: String,
    pub(crate) help: String,
    pub(crate) labels: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape {
    /// By the name in the table.
    pub(crate) about: BTreeMap<String, About>,
    /// By name and labels, as in the text.
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) fn of(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "not whole: {text}");
        let mut scrape = Self::default();
        let mut families = BTreeMap::<&str, About>::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            let Some(said) = line.strip_prefix("# ") else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                scrape.series.insert(series.to_owned(), value.parse().unwrap());
                continue;
            };
            let [what, name, rest] = said.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
            let about = families.entry(name).or_default();
            match what {
                "HELP" => rest.clone_into(&mut about.help),
                "TYPE" => rest.clone_into(&mut about.kind),
                "UNIT" => rest.clone_into(&mut about.unit),
                other => unreachable!("{other}"),
            }
        }
        for (name, mut about) in families {
            let ending = if about.kind == "counter" { "_total" } else { "" };
            let name = format!("{name}{ending}");
            for series in scrape.series.keys().filter(|series| name == family(series)) {
                about.labels.extend(labels(series));
            }
            scrape.about.insert(name, about);
        }
        scrape
    }

    /// Returns the value of a series; 0 if it does not exist.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    /// Returns the metrics that have changed.
    pub(crate) fn moved_since(&self, before: &Self) -> BTreeSet<String> {
        let all = self.series.keys().chain(before.series.keys());
        all.filter(|series| self.series.get(*series) != before.series.get(*series))
            .map(|series| family(series))
            .collect()
    }
}

/// Returns `pullsecrets_x_seconds` for `pullsecrets_x_seconds_bucket{le="1"}`.
fn family(series: &str) -> String {
    let name = series.split('{').next().unwrap();
    let parts = ["_bucket", "_sum", "_count"];
    let whole = parts.iter().find_map(|part| name.strip_suffix(part));
    whole.unwrap_or(name).to_owned()
}

/// Returns the names of the labels, except `le`. No value in these tests holds a comma or an equals sign.
fn labels(series: &str) -> Vec<String> {
    let inside = series
        .split_once('{')
        .map_or("", |(_, rest)| rest.trim_end_matches('}'));
    let names = inside.split(',').filter_map(|label| label.split_once('='));
    names
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "le")
        .collect()
}

/// Returns the table of `config/monitoring/metrics.md`.
pub(crate) fn table() -> BTreeMap<String, About> {
    let text = std::fs::read_to_string(e2e::workspace().join("config/monitoring/metrics.md")).unwrap();
    let plain = |cell: &str| cell.trim().replace('`', "");
    let row = |line: &str| {
        let cells: Vec<String> = line.trim_matches('|').split('|').map(plain).collect();
        let [name, kind, unit, labels, help] = cells.try_into().unwrap();
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned);
        let about = About {
            kind,
            unit,
            help,
            labels: labels.collect(),
        };
        (name, about)
    };
    text.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}
