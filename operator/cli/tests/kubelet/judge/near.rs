//! Near misses: the kubelet uses a key after exactly the reported differences are removed.

use cli::audit::{ImageFinding, Report};
use cli::verdict::{Near, Reason};
use e2e::keyring::Answer;
use plan::keyring::Difference;

use super::Answers;
use super::expected::Expected;
use crate::case::{Case, Workload};
use crate::keys::{Key, Slip};
use crate::table::Table;

/// A question about one key alone.
#[derive(Debug)]
pub(crate) struct Repair {
    pub(super) key: String,
    pub(super) image: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// A reported entry without the reported differences. It must match.
    Reported(String),
    /// What the author of a reported entry meant. If it matches, the slip must be reported.
    Meant(Slip, Vec<Difference>),
    /// What the author of an entry meant, where no entry was reported. It must not match.
    Overlooked,
}

/// A docker config with one login under this key.
pub(super) fn alone(key: &str) -> Vec<u8> {
    format!(
        r#"{{"auths":{{{}:{{"username":"u","password":"p"}}}}}}"#,
        serde_json::Value::from(key)
    )
    .into_bytes()
}

pub(super) fn repairs(case: &Case, answers: &Answers, report: &Report) -> Vec<Repair> {
    let mut repairs = Vec::new();
    for (workload, found) in no_keys(case, report) {
        let image = found.image.to_string();
        match &found.near {
            Some(near) if near.differs.is_empty() => {}
            Some(near) => {
                let Some(key) = key_of(case, near) else {
                    let why = Why::Reported(format!("{near:?} names no entry"));
                    repairs.push(Repair {
                        key: String::new(),
                        image,
                        why,
                    });
                    continue;
                };
                let (key, repaired) = (key.clone(), repaired(&key.written, &image, &near.differs));
                repairs.push(Repair {
                    key: repaired.0,
                    image: repaired.1,
                    why: Why::Reported(format!("{near:?}")),
                });
                if let Some(slip) = key.slip {
                    let why = Why::Meant(slip, near.differs.clone());
                    repairs.push(Repair {
                        key: key.meant,
                        image,
                        why,
                    });
                }
            }
            None => {
                let list = list_of(case, answers, workload);
                let keys = list
                    .iter()
                    .filter_map(|name| case.secrets.get(name))
                    .filter(|written| is_read(written));
                for key in keys.flat_map(|written| &written.keys).filter(|key| key.slip.is_some()) {
                    repairs.push(Repair {
                        key: key.meant.clone(),
                        image: image.clone(),
                        why: Why::Overlooked,
                    });
                }
            }
        }
    }
    repairs
}

pub(super) fn judge(
    repairs: &[(Repair, Answer)],
    case: &Case,
    answers: &Answers,
    report: &Report,
    table: &mut Table,
) -> Result<(), String> {
    for (repair, answer) in repairs {
        let matches = answer.tried(0).is_some_and(|tried| !tried.is_empty());
        let wrong = match &repair.why {
            Why::Reported(_) => !matches,
            Why::Meant(slip, differs) => matches && *differs != [difference(*slip)],
            Why::Overlooked => matches,
        };
        if wrong {
            let about = match &repair.why {
                Why::Reported(near) => near.as_str(),
                Why::Meant(..) | Why::Overlooked => "what the author meant",
            };
            return Err(format!("the kubelet says {matches} to {repair:?}, {about}"));
        }
    }
    for (workload, found) in no_keys(case, report) {
        let Some(near) = &found.near else {
            table.count("near: none");
            continue;
        };
        match near.differs.as_slice() {
            [] => {
                let at = case
                    .images
                    .iter()
                    .position(|image| *image == *found.image)
                    .expect("an image of the case");
                let list = list_of(case, answers, workload);
                if answers[&list].tried(at).is_none_or(|tried| tried.is_empty()) {
                    return Err(format!("the kubelet finds no login at all, and {near:?} is reported"));
                }
                table.count("near: no user name");
            }
            [one] => table.count(format!("near: {one:?}")),
            _ => table.count("near: several"),
        }
    }
    Ok(())
}

/// The images without a key in findings on templates.
fn no_keys<'a>(case: &'a Case, report: &'a Report) -> impl Iterator<Item = (&'a Workload, &'a ImageFinding)> {
    let findings = report
        .findings
        .iter()
        .filter(|finding| !matches!(finding.reason, Reason::TooEarly | Reason::NodeOnly));
    findings.flat_map(|finding| {
        let workload = case
            .workloads
            .iter()
            .find(|workload| *workload.name == *finding.workload.name);
        let workload = workload.expect("a workload of the case");
        let images = finding.images.iter().filter(|image| image.reason == Reason::NoKey);
        images.map(move |image| (workload, image))
    })
}

/// The list that decides about a template.
fn list_of(case: &Case, answers: &Answers, workload: &Workload) -> Vec<String> {
    let own = Expected { case, answers }.own(workload);
    if own.is_empty() {
        case.accounts.get(&workload.account).cloned().unwrap_or_default()
    } else {
        own
    }
}

/// Kubelets ignore Secrets of other types, and some texts have no entries.
fn is_read(written: &crate::case::Written) -> bool {
    let text = written
        .secret
        .data
        .first()
        .map(|(_, text)| String::from_utf8_lossy(text).into_owned());
    let text = text.unwrap_or_default();
    let has_entries = !text.contains(r#""auths":null"#) && written.keys.iter().all(|key| text.contains(&key.written));
    written.secret.kind.starts_with("kubernetes.io/docker") && has_entries
}

fn key_of<'a>(case: &'a Case, near: &Near) -> Option<&'a Key> {
    let keys = &case.secrets.get(near.secret.as_str())?.keys;
    match near.entry.strip_prefix("entry ") {
        Some(place) => keys.get(place.parse::<usize>().ok()? - 1),
        None => keys.iter().find(|key| key.written == near.entry),
    }
}

fn difference(slip: Slip) -> Difference {
    match slip {
        Slip::Scheme => Difference::Scheme,
        Slip::Case => Difference::Case,
        Slip::Port => Difference::Port,
        Slip::Path => Difference::Path,
    }
}

/// Key and image without these differences.
fn repaired(key: &str, image: &str, differs: &[Difference]) -> (String, String) {
    let (mut scheme, mut address) = match key.split_once("://") {
        Some((scheme, address)) => (format!("{scheme}://"), address.to_owned()),
        None => (String::new(), key.to_owned()),
    };
    let mut image = image.to_owned();
    if differs.contains(&Difference::Scheme) {
        scheme.clear();
    }
    if differs.contains(&Difference::Case) {
        scheme = scheme.to_lowercase();
        address = address.to_lowercase();
        image = image.to_lowercase();
    }
    let host_of = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
    let mut host = host_of(&address);
    let mut path = address[host.len()..].to_owned();
    if differs.contains(&Difference::Port) {
        let port = |host: &str| host.rfind(':').filter(|at| !host[*at..].contains(']'));
        let of_image = host_of(&image);
        let of_image = if image.contains('/') && of_image.contains(['.', ':']) {
            of_image
        } else {
            String::new()
        };
        let bare = port(&host).map_or(host.as_str(), |at| &host[..at]).to_owned();
        host = format!("{bare}{}", port(&of_image).map_or("", |at| &of_image[at..]));
    }
    if differs.contains(&Difference::Path) {
        path.clear();
        if host == "index.docker.io" {
            "docker.io".clone_into(&mut host);
        }
    }
    (format!("{scheme}{host}{path}"), image)
}
