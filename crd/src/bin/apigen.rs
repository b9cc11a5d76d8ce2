//! Writes the tables of fields in `crd/README.md` from the schema: `cargo run --package crd --bin apigen`. With
//! `--print` it prints the page and leaves the file as it is.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::{Write as _, stdout},
};

use serde_json::Value;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- fields: cargo run --package crd --bin apigen -->\n";
const END: &str = "<!-- end of fields -->\n";

fn main() -> Result<(), Box<dyn Error>> {
    let page = fs::read_to_string(PAGE)?;
    let (before, rest) = page
        .split_once(BEGIN)
        .ok_or("crd/README.md has no mark before the fields")?;
    let (_, after) = rest
        .split_once(END)
        .ok_or("crd/README.md has no mark after the fields")?;
    let page = format!("{before}{BEGIN}{}{END}{after}", tables()?);
    if std::env::args().any(|argument| argument == "--print") {
        stdout().write_all(page.as_bytes())?;
    } else {
        fs::write(PAGE, page)?;
    }
    Ok(())
}

/// One table for `spec` and one for `status`.
fn tables() -> Result<String, Box<dyn Error>> {
    let crd = serde_json::to_value(crd::manifest::crd())?;
    let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut text = String::new();
    for part in ["spec", "status"] {
        write!(text, "\n### {part}\n\n| field | value | meaning |\n|---|---|---|\n")?;
        rows("", &root[part], &mut text)?;
    }
    text.push('\n');
    Ok(text)
}

/// Adds a row for each field of this schema, and below it the rows of its nested fields.
fn rows(path: &str, schema: &Value, text: &mut String) -> Result<(), Box<dyn Error>> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{name}");
        let meaning = field["description"]
            .as_str()
            .unwrap_or_default()
            .replace("\n\n", " ")
            .replace('|', "\\|");
        let needed = if required.contains(&name.as_str()) {
            "; required"
        } else {
            ""
        };
        writeln!(text, "| `{path}` | {}{needed} | {meaning} |", value(field))?;
        rows(&format!("{path}."), field, text)?;
        rows(&format!("{path}[]."), &field["items"], text)?;
    }
    Ok(())
}

/// Returns the type, the bounds or the allowed values of a field.
fn value(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        let words: Vec<String> = words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        return words.join(", ");
    }
    let most = |key: &str| field[key].as_u64();
    match field["type"].as_str().unwrap_or_default() {
        "array" => match (most("minItems"), most("maxItems")) {
            (Some(least), Some(most)) => format!("list of {least} to {most}"),
            (None, Some(most)) => format!("list of at most {most}"),
            _ => "list".to_owned(),
        },
        "object" => most("maxProperties").map_or_else(|| "object".to_owned(), |most| format!("map of at most {most}")),
        kind => kind.to_owned(),
    }
}
