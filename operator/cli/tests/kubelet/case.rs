//! One cluster, as its author knows it: a namespace with Secrets, accounts and workloads.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::keyring::Secret;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::keys::{self, Key, one};

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) secrets: BTreeMap<String, Written>,
    pub(crate) accounts: BTreeMap<String, Vec<String>>,
    pub(crate) workloads: Vec<Workload>,
    /// Every image that occurs.
    pub(crate) images: Vec<String>,
    /// User names that registries refuse.
    pub(crate) refused: BTreeSet<String>,
    /// Images whose registry asks for a login.
    pub(crate) closed: BTreeSet<String>,
}

/// A Secret, and the keys that its author wrote.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) secret: Secret,
    pub(crate) keys: Vec<Key>,
}

#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) account: String,
    /// Its own list; an empty name stands for `{}`.
    pub(crate) own: Vec<String>,
    /// Positions in the images of the case.
    pub(crate) images: Vec<(usize, &'static str)>,
    pub(crate) pods: Vec<Pod>,
}

/// A Pod with the images of its workload.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) name: String,
    /// As admitted.
    pub(crate) list: Vec<String>,
    /// How each container is: `ErrImagePull`, `ContainerCreating`, `Running`, `CrashLoopBackOff`.
    pub(crate) states: Vec<&'static str>,
}

/// The last one never exists.
const NAMES: [&str; 9] = [
    "company",
    "company",
    "company",
    "mirror",
    "mirror",
    "old-robot",
    "team",
    "team",
    "gone",
];
const KINDS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Pod"];
const POLICIES: [&str; 4] = ["Always", "IfNotPresent", "IfNotPresent", "Never"];

impl Case {
    pub(crate) fn draw(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let images: Vec<String> = (0..random.random_range(1..5)).map(|_| keys::image(random)).collect();
        let mut count = 0;
        let mut secrets = BTreeMap::new();
        for name in ["company", "mirror", "old-robot", "team"] {
            if random.random_bool(0.85) {
                secrets.insert(name.to_owned(), written(&images, &mut count, random));
            }
        }
        let mut accounts = BTreeMap::new();
        for name in ["default", "builder"] {
            if random.random_bool(0.95) {
                accounts.insert(name.to_owned(), list(random));
            }
        }
        let workloads = (0..random.random_range(1..4))
            .map(|at| workload(at, &accounts, images.len(), random))
            .collect();
        let refused = (0..count)
            .filter(|_| random.random_bool(0.15))
            .map(|at| format!("user-{at}"))
            .collect();
        let closed = images.iter().filter(|_| random.random_bool(0.5)).cloned().collect();
        Self {
            secrets,
            accounts,
            workloads,
            images,
            refused,
            closed,
        }
    }
}

fn list(random: &mut StdRng) -> Vec<String> {
    let length = [0, 0, 1, 1, 1, 2, 2, 3].choose(random).expect("a length");
    let name = |random: &mut StdRng| {
        if random.random_bool(0.03) {
            ""
        } else {
            one(&NAMES, random)
        }
    };
    (0..*length).map(|_| name(random).to_owned()).collect()
}

fn workload(at: usize, accounts: &BTreeMap<String, Vec<String>>, images: usize, random: &mut StdRng) -> Workload {
    let account = one(&["default", "default", "builder"], random).to_owned();
    let own = if random.random_bool(0.3) {
        list(random)
    } else {
        Vec::new()
    };
    let uses: Vec<(usize, &'static str)> = (0..random.random_range(1..4))
        .map(|_| {
            (
                random.random_range(0..images),
                *POLICIES.choose(random).expect("a policy"),
            )
        })
        .collect();
    let kind = *KINDS.choose(random).expect("a kind");
    let of_account = accounts.get(&account).cloned().unwrap_or_default();
    let name = format!("workload-{at}");
    let pods = match kind {
        "CronJob" => 0,
        "Pod" => 1,
        _ => random.random_range(0..4),
    };
    let pods = (0..pods).map(|at| {
        let name = if kind == "Pod" {
            name.clone()
        } else {
            format!("{name}-{at}")
        };
        pod(name, &own, &of_account, uses.len(), random)
    });
    Workload {
        pods: pods.collect(),
        kind,
        name,
        account,
        own,
        images: uses,
    }
}

/// A Pod that was admitted with the list of its template, or with that of its account as it was then.
fn pod(name: String, own: &[String], of_account: &[String], images: usize, random: &mut StdRng) -> Pod {
    let list = if own.is_empty() {
        let then = if random.random_bool(0.7) {
            random.random_range(0..=of_account.len())
        } else {
            of_account.len()
        };
        of_account[..then].to_vec()
    } else {
        own.to_vec()
    };
    let states = [
        "ErrImagePull",
        "ImagePullBackOff",
        "ContainerCreating",
        "Running",
        "Running",
        "CrashLoopBackOff",
    ];
    Pod {
        name,
        list,
        states: (0..images).map(|_| *states.choose(random).expect("a state")).collect(),
    }
}

fn written(images: &[String], count: &mut usize, random: &mut StdRng) -> Written {
    let mut keys: Vec<Key> = Vec::new();
    for _ in 0..random.random_range(1..5) {
        let image = images.choose(random).expect("an image");
        let key = keys::key(image, random);
        if !keys.iter().any(|other| other.written == key.written) {
            keys.push(key);
        }
    }
    let entries: Vec<(&str, String)> = keys
        .iter()
        .map(|key| (key.written.as_str(), entry(count, random)))
        .collect();
    let legacy = random.random_bool(0.08);
    let (kind, key) = if legacy {
        ("kubernetes.io/dockercfg", ".dockercfg")
    } else {
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson")
    };
    let kind = if random.random_bool(0.04) {
        one(&["Opaque", "kubernetes.io/basic-auth"], random)
    } else {
        kind
    };
    let data = if random.random_bool(0.02) {
        Vec::new()
    } else {
        vec![(key.to_owned(), text(&entries, legacy, random).into_bytes())]
    };
    Written {
        secret: Secret {
            kind: kind.to_owned(),
            data,
        },
        keys,
    }
}

/// Mostly a login with a user name of its own. Some cannot be decoded, and some have no user name.
fn entry(count: &mut usize, random: &mut StdRng) -> String {
    let user = format!("user-{count}");
    *count += 1;
    let auth = STANDARD.encode(format!("{user}:canary"));
    match random.random_range(0..120) {
        0 => r#"{"auth":"%%%"}"#.to_owned(),
        1 => format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("no colon")),
        2 => r#"{"auth":5}"#.to_owned(),
        3 => one(&["5", "[]", "true", r#""auth""#], random).to_owned(),
        4 => format!(r#"{{"auth":"{auth}","email":5}}"#),
        5 => format!(r#"{{"auth":"{auth}="}}"#),
        6..10 => "null".to_owned(),
        10..14 => "{}".to_owned(),
        14..22 => r#"{"identitytoken":"canary"}"#.to_owned(),
        22..26 => format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(":canary")),
        26..60 => format!(r#"{{"username":"{user}","password":"canary"}}"#),
        60..70 => format!(r#"{{"username":"x","password":"y","Auth":"{auth}"}}"#),
        70..74 => format!(r#"{{"username":"{user}"}}"#),
        _ => format!(r#"{{"auth":"{auth}","email":"a@example.com","unknown":[1]}}"#),
    }
}

fn text(entries: &[(&str, String)], legacy: bool, random: &mut StdRng) -> String {
    let quoted = entries
        .iter()
        .map(|(key, entry)| format!("{}:{entry}", serde_json::Value::from(*key)));
    let auths = format!("{{{}}}", quoted.collect::<Vec<_>>().join(","));
    if legacy {
        return auths;
    }
    match random.random_range(0..150) {
        0 => format!(r#"{{"auths":{auths},"HttpHeaders":{{"a":1}}}}"#),
        1 => format!(r#"{{"auths":{auths},"HttpHeaders":{{"a":"b"}}}}"#),
        2 => format!(r#"{{"AUTHS":{auths},"credsStore":"desktop"}}"#),
        3 => format!(r#"{{"auths":{auths},"auths":null}}"#),
        4 => one(
            &["null", "{}", r#"{"auths":null}"#, r#"{"auths":[]}"#, "[]", "x", ""],
            random,
        )
        .to_owned(),
        5 => format!("\u{feff}{{\"auths\":{auths}}}"),
        6 => format!(r#"{{"auths":{auths}"#),
        _ => format!(r#"{{"auths":{auths}}}"#),
    }
}
