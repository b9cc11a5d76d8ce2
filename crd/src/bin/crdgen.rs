//! Prints the `CustomResourceDefinition` as YAML: `cargo crdgen > config/crd/clusterpullsecrets.yaml`.

use std::{
    error::Error,
    io::{Write, stdout},
};

fn main() -> Result<(), Box<dyn Error>> {
    stdout().write_all(crd::manifest::yaml()?.as_bytes())?;
    Ok(())
}
