//! Each value of the chart changes what `values.yaml` beside this file says, and that alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::helm::chart::{BOTH, CHART, USUAL, differences};

/// One row: other values that it needs, the value, and what then differs.
#[derive(Deserialize)]
struct Row {
    value: String,
    #[serde(default)]
    given: Value,
    set: Value,
    /// As [`differences`] gives them; a `*` in a key stands for any text.
    changes: BTreeMap<String, Value>,
}

fn rows() -> Vec<Row> {
    serde_saphyr::from_str(include_str!("values.yaml")).unwrap()
}

/// The values in the tables of the chart's README, which are made from its `values.yaml`.
pub(crate) fn documented() -> BTreeSet<String> {
    let page = std::fs::read_to_string(e2e::workspace().join(CHART).join("README.md")).unwrap();
    let (_, tables) = page.split_once("<!-- values: ").unwrap();
    let cells = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn each_value_changes_what_its_row_says() {
    for Row {
        value,
        given,
        set,
        changes,
    } in rows()
    {
        assert!(
            set.pointer(&format!("/{}", value.replace('.', "/"))).is_some(),
            "{value}: {set}"
        );
        let with = merged(given.clone(), &set);
        let [three, four] = BOTH.map(|helm| {
            let [before, after] = [&given, &with].map(|values| helm.render(USUAL, values).unwrap());
            differences(&before, &after)
        });
        assert_eq!(three, four, "{value}: Helm 3 and Helm 4");
        let told = |key: &String, value: &Value| changes.iter().any(|(glob, to)| matches(glob, key) && to == value);
        let untold: Vec<_> = four.iter().filter(|(key, value)| !told(key, value)).collect();
        assert!(untold.is_empty(), "{value} also changes: {untold:#?}");
        let vain = changes.keys().find(|glob| !four.keys().any(|key| matches(glob, key)));
        assert_eq!(vain, None, "{value} does not change that");
        assert!(!four.is_empty(), "{value} changes nothing");
    }
}

#[test]
fn each_documented_value_has_a_row() {
    let rows: BTreeSet<String> = rows().into_iter().map(|row| row.value).collect();
    assert_eq!(rows, documented());
}

fn merged(mut below: Value, above: &Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut below, above) {
        for (field, value) in more {
            let known = fields.remove(field).unwrap_or_default();
            fields.insert(field.clone(), merged(known, value));
        }
        return below;
    }
    above.clone()
}

/// Whether a text is as a pattern says, in which a `*` stands for any text.
fn matches(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        None => glob == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| matches(rest, &text[at..]))
        }),
    }
}
