//! Random events and replies, and what `Ready` may say about them.

mod judge;

use super::*;

/// A reconciler on a server that acts at random. It also records what an independent reader would see.
struct RandomCluster {
    reconciler: Reconciler,
    random: rand::rngs::StdRng,
    now: Duration,
    version: u32,
    revision: u64,
    /// Since when a namespace lacks its copy, or has one that must go.
    wrong_since: std::collections::BTreeMap<&'static str, Duration>,
    payload: u8,
}

fn is_theirs(cached: &Secret) -> bool {
    cached.version.uid == "uid-theirs".into()
}

/// The Secret that a server would hold after this write of `cached`.
fn left_by(action: &SecretAction, cached: Option<Secret>, version: &str) -> Option<Secret> {
    let version_after = Version::new("uid-copy", version);
    match action {
        SecretAction::Delete { .. } => None,
        SecretAction::Empty { .. } => cached.map(|cached| Secret {
            version: version_after,
            digest: None,
            ..cached
        }),
        SecretAction::Reclaim { object, .. } => cached.map(|cached| Secret {
            version: version_after,
            traits: Arc::new(SecretTraits {
                labels: [(crd::names::LABEL_OBJECT, &**object)].into_iter().collect(),
                was_labelled: false,
                applied_by_us: false,
                ..(*cached.traits).clone()
            }),
            ..cached
        }),
        action => {
            let mut copy = written(action, version);
            if let Some(cached) = cached.filter(|cached| cached.traits.deleting) {
                copy.traits = cached.traits;
            }
            Some(copy)
        }
    }
}

const PLACES: [&str; 4] = ["a", "b", "c", "d"];

impl RandomCluster {
    fn new(seed: u64) -> Self {
        let mut reconciler = started();
        for name in PLACES {
            reconciler.see_namespace(name, selected(), false, at(0));
            reconciler.see_account(name, "default", Seen::There(account("10", &[], &[])), at(0));
        }
        Self {
            reconciler,
            random: <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed),
            now: at(0),
            version: 100,
            revision: 1,
            wrong_since: std::collections::BTreeMap::new(),
            payload: 0,
        }
    }

    fn roll(&mut self, sides: u32) -> u32 {
        rand::Rng::random_range(&mut self.random, 0..sides)
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn object(&self, elsewhere: bool) -> Arc<Object> {
        let mut object = (*object(Lifecycle::Active)).clone();
        object.payload = Some(Arc::new(Payload::new(&[self.payload], &DigestKey::new([0; 16]))));
        if elsewhere {
            let spec: ClusterPullSecretSpec = serde_json::from_value(json!({
                "registries": [{"server": "ghcr.io", "credentials": {"dockerConfig": {"secretRef": {"name": "source"}}}}],
                "namespaces": {"selectors": [{"matchLabels": {"pull": "yes"}}], "excluded": ["b", "c"]},
            }))
            .unwrap();
            object.spec = Spec::parse("company", &spec, "pullsecrets-system").unwrap();
        }
        Arc::new(object)
    }

    fn random_error(&mut self) -> ApiError {
        let refused = |reason| Failure::new(reason, "refused");
        match self.roll(9) {
            0 => forbidden(),
            1 => ApiError::NamespaceTerminating,
            2 => ApiError::Conflict,
            3 => ApiError::NotFound,
            4 => ApiError::Throttled(SECOND),
            5 => ApiError::Refused(refused(FailureReason::QuotaExceeded)),
            6 => ApiError::Refused(refused(FailureReason::AdmissionDenied)),
            7 => ApiError::Postponed {
                failure: refused(FailureReason::AdmissionDenied),
                wait: SECOND,
                by: Some("webhook".into()),
            },
            _ => ApiError::Unavailable("the server answered 500".to_owned()),
        }
    }

    /// Makes the server fail every write the same way; then each wrong namespace is named.
    fn fail_all(&mut self) {
        let error = self.random_error();
        for _ in 0..20 {
            self.now += SECOND * 3;
            for name in PLACES {
                for key in [
                    Key::secret(&name.into(), &"company".into()),
                    Key::account(&name.into(), &"default".into()),
                ] {
                    if self.reconciler.write(&key, self.now).is_some() {
                        self.reconciler.failed(&key, error.clone(), self.now);
                    } else {
                        self.reconciler.revisit(&key, self.now);
                    }
                }
            }
        }
        let summary = self.reconciler.summary("company").unwrap();
        for name in PLACES.into_iter().filter(|name| self.is_wrong(name)) {
            let named = summary.failures.iter().any(|(namespace, _)| namespace.as_ref() == name);
            assert!(
                named,
                "{name} is wrong and not named: {error:?}, {:?}",
                self.reconciler.places[name]
                    .facts
                    .secrets
                    .get("company")
                    .map(|cached| (&cached.traits, cached.digest.is_some()))
            );
        }
        self.judge(at(5));
    }

    /// Makes one write of the key, if it needs one. It succeeds, is refused, or loses a race.
    fn write(&mut self, key: &Key) {
        let Some(action) = self.reconciler.write(key, self.now) else {
            if self.reconciler.is_out_of_sight(key) {
                return self.read(key);
            }
            self.reconciler.revisit(key, self.now);
            return;
        };
        if self.roll(3) == 0 {
            let error = self.random_error();
            self.reconciler.failed(key, error, self.now);
            return;
        }
        let version = self.next_version();
        let cached = self.reconciler.places[&key.namespace]
            .facts
            .secrets
            .get("company")
            .cloned();
        match action {
            Write::Account { action, .. } => {
                let (entries, attached) = (action.entries, action.attached);
                let written = Account {
                    entries: entries.into(),
                    attached: attached.into(),
                    ..account(&version, &[], &[])
                };
                self.reconciler
                    .wrote_account(key, Outcome::Done(Some(written)), self.now);
            }
            Write::Secret { action, .. } => {
                let left = left_by(&action, cached, &version);
                self.reconciler.wrote_secret(key, Outcome::Done(left), self.now);
            }
        }
    }

    /// Reads a copy that left its watch: it is gone, or without our label.
    fn read(&mut self, key: &Key) {
        let version = self.next_version();
        let stripped = Secret {
            version: Version::new("uid-copy", &version),
            digest: Some(Arc::new(DigestKey::new([0; 16]).digest("stripped"))),
            traits: Arc::new(SecretTraits {
                docker_config_type: true,
                ..SecretTraits::default()
            }),
        };
        let stripped = (self.roll(2) == 0).then_some(stripped);
        self.reconciler.wrote_secret(key, Outcome::Changed(stripped), self.now);
    }

    /// The watch shows the labels of the namespace.
    fn label(&mut self, namespace: &str, labels: plan::labels::Labels) {
        self.reconciler.see_namespace(namespace, labels, false, self.now);
    }

    /// The watch shows the Secret of the namespace.
    fn show(&mut self, namespace: &str, seen: Seen<Secret>) {
        self.reconciler.see_secret(namespace, "company", seen, self.now);
    }

    /// A tenant or an author changes the namespace, or the object.
    fn disturb(&mut self, namespace: &str) {
        let cached = self.reconciler.places[namespace].facts.secrets.get("company").cloned();
        let version = self.next_version();
        let newer = |cached: Secret, change: &dyn Fn(&mut SecretTraits)| {
            let mut traits = (*cached.traits).clone();
            change(&mut traits);
            Seen::There(Secret {
                version: Version::new(&cached.version.uid.to_string(), &version),
                digest: cached.digest,
                traits: Arc::new(traits),
            })
        };
        let by_finalizer = |traits: &mut SecretTraits| {
            traits.deleting = true;
            traits.finalizer = Some("example.com/slow".into());
        };
        let labels = [plan::labels::Labels::default(), selected()];
        let was = self.reconciler.places[namespace].facts.labels.clone();
        match (self.roll(10), cached) {
            (0, _) => self.label(namespace, labels[0].clone()),
            (1 | 2, _) => self.label(namespace, labels[1].clone()),
            (3, Some(_)) => self.show(namespace, Seen::Gone(Version::new("uid-copy", &version))),
            (4, Some(cached)) => self.show(namespace, newer(cached, &by_finalizer)),
            (5, Some(cached)) => self.show(namespace, newer(cached, &|traits| traits.immutable = true)),
            (6, Some(cached)) if !is_theirs(&cached) => {
                let edited = Secret {
                    version: Version::new("uid-copy", &version),
                    digest: Some(Arc::new(DigestKey::new([1; 16]).digest("edited"))),
                    ..cached
                };
                self.show(namespace, Seen::There(edited));
            }
            (8, None) => {
                let theirs = Secret {
                    version: Version::new("uid-theirs", &version),
                    digest: None,
                    traits: Arc::new(SecretTraits::default()),
                };
                self.show(namespace, Seen::There(theirs));
            }
            (7, _) => {
                self.payload += 1;
                self.revision += 1;
                let elsewhere = self.roll(3) == 0;
                let object = self.object(elsewhere);
                self.reconciler.declare(&object, self.revision, true, self.now);
                // A fault caused by this shows at once.
                self.judge(Duration::ZERO);
            }
            _ => {}
        }
        if self.reconciler.places[namespace].facts.labels != was {
            self.wrong_since.retain(|name, _| *name != namespace);
        }
    }
}

/// Covers random refusals, lost races, edits, finalizers and selections. `Ready` is true only if each selected
/// namespace was seen with a current copy, and no other has one. Each failure is named.
#[test]
fn ready_means_that_every_copy_was_seen() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut was_ready = 0;
    for round in 0..200 {
        let mut cluster = RandomCluster::new(seed.wrapping_add(round));
        for _ in 0..100 {
            let millis = cluster.roll(1500);
            cluster.now += Duration::from_millis(millis.into());
            let namespace = PLACES[usize::try_from(cluster.roll(4)).unwrap_or_default()];
            if cluster.roll(5) == 0 {
                cluster.disturb(namespace);
            } else {
                cluster.write(&Key::secret(&namespace.into(), &"company".into()));
                cluster.write(&Key::account(&namespace.into(), &"default".into()));
            }
            assert_eq!(cluster.reconciler.unrecorded(cluster.now), []);
            cluster.judge(at(5));
            was_ready += u32::from(cluster.wrong_since.is_empty());
        }
        cluster.fail_all();
    }
    assert!(was_ready > 100, "it never came to rest: {was_ready}");
}
