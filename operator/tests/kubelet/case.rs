//! One case: source Secrets, the registries that an object declares from them, and images.

use std::collections::BTreeMap;

use crd::names::{BASIC_AUTH_TYPE, LABEL_OBJECT};
use crd::{BasicAuthSource, Credentials, DockerConfigSource, Registry, SecretReference};
use plan::labels::Labels;
use plan::registries::{Lookup, Resolution, ShownKeys, Source, resolve};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::configs::{Config, Logins};
use crate::names::{Names, one};
use e2e::keyring::Secret;

/// Number of images that are looked up per case.
const IMAGES: usize = 20;

/// Content of a source Secret, as its author knows it.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    DockerConfig(Config),
    BasicAuth { username: String, password: String },
}

/// A source Secret: what its author meant, and the bytes it has.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) content: Content,
    pub(crate) secret: Secret,
    labels: Labels,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) sources: BTreeMap<String, Written>,
    pub(crate) registries: Vec<Registry>,
    pub(crate) images: Vec<String>,
}

impl Case {
    pub(crate) fn draw(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let names = Names::draw(random);
        let mut logins = Logins::default();
        let mut sources = BTreeMap::new();
        for at in 0..random.random_range(1..3) {
            sources.insert(format!("config-{at}"), docker_config(&mut logins, &names, random));
        }
        for at in 0..random.random_range(0..3) {
            sources.insert(format!("login-{at}"), basic_auth(&mut logins, random));
        }
        let declared = random.random_range(1..5);
        let registries = (0..declared).map(|_| registry(&sources, &names, random)).collect();
        let images = (0..IMAGES).map(|_| names.image(random)).collect();
        Self {
            sources,
            registries,
            images,
        }
    }

    pub(crate) fn resolved(&self) -> Vec<Resolution> {
        let registries = self.registries.iter();
        registries.map(|registry| self.resolve(registry)).collect()
    }

    fn resolve(&self, registry: &Registry) -> Resolution {
        let source = self.source(registry).map(|(_, written)| Source {
            type_: written.secret.kind.clone(),
            labels: written.labels.clone(),
            data: written.secret.data.iter().cloned().collect(),
            keys: ShownKeys::default(),
        });
        resolve(registry, "pullsecrets-system", |reference| match &source {
            _ if reference.namespace.is_some() => Lookup::NotAllowed,
            Some(source) => Lookup::Found(source),
            None => Lookup::Missing,
        })
    }

    /// The source of a registry, if it exists: its name, and what its author wrote.
    pub(crate) fn source(&self, registry: &Registry) -> Option<(&String, &Written)> {
        let credentials = &registry.credentials;
        let basic = credentials.basic_auth.as_ref().map(|source| &source.secret_ref);
        let reference = basic.or(credentials.docker_config.as_ref().map(|source| &source.secret_ref))?;
        self.sources.get_key_value(&reference.name)
    }

    /// Every key in this case, once each.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .registries
            .iter()
            .filter_map(|registry| registry.server.clone())
            .collect();
        for written in self.sources.values() {
            if let Content::DockerConfig(config) = &written.content {
                keys.extend(config.entries.iter().map(|(key, _)| key.clone()));
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }
}

fn docker_config(logins: &mut Logins, names: &Names, random: &mut StdRng) -> Written {
    let config = logins.config(names, random);
    let mut secret = Secret::docker_config(config.text.clone());
    let mut labels = Labels::default();
    match random.random_range(0..100) {
        0 => one(&["Opaque", "kubernetes.io/dockercfg", "example.com/logins"], random).clone_into(&mut secret.kind),
        1 => secret.data.clear(),
        2 => labels = [(LABEL_OBJECT.to_owned(), "another".to_owned())].into_iter().collect(),
        _ => {}
    }
    Written {
        content: Content::DockerConfig(config),
        secret,
        labels,
    }
}

fn basic_auth(logins: &mut Logins, random: &mut StdRng) -> Written {
    let (mut username, password) = logins.next(random);
    if random.random_bool(0.03) {
        // Refused, because kubelets would cut it there.
        username += ":";
    }
    // A careless tool may append these; the author did not mean them.
    let end = one(&["", "", "", "\n", "\r\n", "\n\n", "\r"], random);
    let mut data = vec![("username".to_owned(), username.clone().into_bytes())];
    if random.random_bool(0.97) {
        data.push(("password".to_owned(), format!("{password}{end}").into_bytes()));
    }
    Written {
        content: Content::BasicAuth { username, password },
        secret: Secret {
            kind: one(&[BASIC_AUTH_TYPE, BASIC_AUTH_TYPE, "Opaque"], random).to_owned(),
            data,
        },
        labels: Labels::default(),
    }
}

fn registry(sources: &BTreeMap<String, Written>, names: &Names, random: &mut StdRng) -> Registry {
    let all: Vec<(&String, &Written)> = sources.iter().collect();
    let (name, written) = *all.choose(random).expect("a source");
    let lost = random.random_bool(0.02);
    let secret_ref = SecretReference {
        name: if lost { "missing".to_owned() } else { name.clone() },
        namespace: random.random_bool(0.01).then(|| "elsewhere".to_owned()),
    };
    let is_docker_config = matches!(written.content, Content::DockerConfig(_));
    let whole = is_docker_config && random.random_bool(0.5);
    let credentials = if is_docker_config {
        Credentials {
            basic_auth: None,
            docker_config: Some(DockerConfigSource { secret_ref, key: None }),
        }
    } else {
        Credentials {
            basic_auth: Some(BasicAuthSource {
                secret_ref,
                username_key: "username".to_owned(),
                password_key: "password".to_owned(),
            }),
            docker_config: None,
        }
    };
    Registry {
        server: (!whole).then(|| server(&all, &written.content, names, random)),
        credentials,
    }
}

/// Mostly a server from some docker config of the case, in any spelling.
fn server(all: &[(&String, &Written)], content: &Content, names: &Names, random: &mut StdRng) -> String {
    let any = all.choose(random).map(|(_, written)| &written.content);
    for content in [Some(content), any].into_iter().flatten() {
        if let Content::DockerConfig(config) = content
            && let Some((key, _)) = config.entries.choose(random)
            && random.random_bool(0.9)
        {
            return Names::respelled(key, random);
        }
    }
    names.key(random)
}
