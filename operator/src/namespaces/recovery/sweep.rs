//! One look at all waiting Pods: the numbers of each object, and the Pods to replace next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crd::PodCounts;
use plan::observed::{ControllerKind, Pod};
use plan::recovery::{self, Cause, SETTLE, Verdict};

use super::{AT_ONCE, AT_ONCE_IN_NAMESPACE, PodKey, Recovery};
use crate::namespaces::reconciler::Reconciler;

/// A Pod whose controller is to be read, and which is to be deleted if its controller agrees.
#[derive(Clone, Debug)]
pub(in crate::namespaces) struct Candidate {
    /// The Pod, as it was decided about.
    pub(in crate::namespaces) pod: Arc<Pod>,
    /// The objects whose references it lacks.
    pub(in crate::namespaces) objects: Vec<Arc<str>>,
}

/// What a sweep found out about a Pod.
struct Found {
    key: PodKey,
    pod: Arc<Pod>,
    objects: Vec<Arc<str>>,
    expected: Vec<Arc<str>>,
    verdict: Verdict,
}

impl Recovery {
    /// Looks at all Pods. Sets the numbers of all objects, and returns the Pods to replace now.
    pub(in crate::namespaces) fn sweep(
        &mut self,
        reconciler: &mut Reconciler,
        now: Duration,
    ) -> Vec<(PodKey, Candidate)> {
        self.swept_at = Some(now);
        self.is_changed = false;
        self.owners.expire(now);
        self.expire_reports(now);
        let found = self.look(reconciler);
        let mut counts: HashMap<Arc<str>, PodCounts> = HashMap::new();
        for (object, recovered) in &self.recovered {
            counts.entry(Arc::clone(object)).or_default().recovered = *recovered;
        }
        for one in &found {
            let own = match one.verdict {
                Verdict::Leave(cause) => Some(cause),
                Verdict::Replace | Verdict::Later => None,
            };
            let both = [own, self.cause(one.pod.controller.as_ref(), now)];
            let masked = both.into_iter().flatten().any(Cause::is_masked);
            for object in &one.objects {
                let counts = counts.entry(Arc::clone(object)).or_default();
                counts.waiting += 1;
                counts.masked += i64::from(masked);
            }
        }
        reconciler.tally.set_pods(counts);
        self.choose(found, now)
    }

    /// Decides about each Pod.
    fn look(&self, reconciler: &Reconciler) -> Vec<Found> {
        let mut found = Vec::new();
        for (namespace, pods) in &self.pods {
            let Some(scope) = reconciler.scope_for_pods(namespace) else {
                continue;
            };
            for (name, waiting) in pods {
                let Some(decided) = recovery::decide(&scope, &waiting.pod) else {
                    continue;
                };
                found.push(Found {
                    key: PodKey {
                        namespace: Arc::clone(namespace),
                        name: Arc::clone(name),
                    },
                    pod: Arc::clone(&waiting.pod),
                    objects: decided.objects.iter().map(|object| Arc::clone(&object.name)).collect(),
                    expected: decided.expected,
                    verdict: decided.verdict,
                });
            }
        }
        found
    }

    /// Returns the Pods to replace now, and reports those that a person must recreate. Namespaces take turns.
    fn choose(&mut self, found: Vec<Found>, now: Duration) -> Vec<(PodKey, Candidate)> {
        let mut replaceable: BTreeMap<PodKey, Found> = BTreeMap::new();
        for one in found {
            match one.verdict {
                Verdict::Replace => drop(replaceable.insert(one.key.clone(), one)),
                Verdict::Leave(cause) => self.report_left(&one.key, &one.pod, cause, now),
                Verdict::Later => {}
            }
        }
        for (namespace, pods) in &mut self.pods {
            for (name, waiting) in pods {
                let key = PodKey {
                    namespace: Arc::clone(namespace),
                    name: Arc::clone(name),
                };
                if replaceable.contains_key(&key) {
                    waiting.replaceable_since.get_or_insert(now);
                } else {
                    waiting.replaceable_since = None;
                }
            }
        }
        let first = self.after.take();
        let is_later = |key: &PodKey| first.as_ref().is_none_or(|first| key.namespace > *first);
        let (later, earlier): (Vec<Found>, Vec<Found>) =
            replaceable.into_values().partition(|found| is_later(&found.key));
        let mut chosen = Vec::new();
        for one in later.into_iter().chain(earlier) {
            if self.under_way.values().sum::<usize>() >= AT_ONCE {
                break;
            }
            if let Some(candidate) = self.take_turn(&one, now) {
                self.after = Some(Arc::clone(&one.key.namespace));
                chosen.push((one.key, candidate));
            }
        }
        chosen
    }

    /// Begins a call for the Pod, if its time and that of its controller have come.
    fn take_turn(&mut self, found: &Found, now: Duration) -> Option<Candidate> {
        let waiting = self.waiting(&found.key)?;
        let has_settled = waiting.replaceable_since.is_some_and(|since| now >= since + SETTLE);
        let controller = found.pod.controller.as_ref()?;
        debug_assert!(
            controller.kind != ControllerKind::Other,
            "the plan leaves such a Pod alone"
        );
        let is_due = has_settled && now >= waiting.not_before && self.owners.may_replace(controller, now);
        let calls = self.under_way.get(&found.key.namespace).copied().unwrap_or_default();
        if !is_due || calls >= AT_ONCE_IN_NAMESPACE {
            return None;
        }
        self.under_way.insert(Arc::clone(&found.key.namespace), calls + 1);
        self.owners.begin(controller, found.expected.iter().cloned(), now);
        Some(Candidate {
            pod: Arc::clone(&found.pod),
            objects: found.objects.clone(),
        })
    }
}
