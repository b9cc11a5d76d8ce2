//! What an independent reader finds wrong, and whether the status agrees with it.

use crd::ClusterPullSecretStatus;

use super::*;

impl RandomCluster {
    /// Whether an independent reader finds the namespace wrong.
    pub(super) fn is_wrong(&self, namespace: &str) -> bool {
        let facts = &self.reconciler.places[namespace].facts;
        let object = self.reconciler.cluster.object("company").unwrap();
        let selects = self.reconciler.cluster.selects(object, namespace, &facts.labels);
        let cached = facts.secrets.get("company");
        if selects {
            let wants = object.payload.as_ref().map(|payload| payload.digest());
            cached.is_none_or(|cached| cached.digest.as_ref() != wants || cached.traits.deleting)
        } else {
            cached.is_some_and(|cached| cached.digest.is_some() && !is_theirs(cached))
        }
    }

    /// `Ready`, the counts and the failures must agree with what is wrong for at least `grace`.
    pub(super) fn judge(&mut self, grace: Duration) {
        for name in PLACES {
            if self.is_wrong(name) {
                self.wrong_since.entry(name).or_insert(self.now);
            } else {
                self.wrong_since.remove(name);
            }
        }
        let summary = self.reconciler.summary("company").unwrap();
        let status = self.status(&summary);
        let ready = status.ready().unwrap();
        let is_ready = ready.status == crd::ConditionStatus::True;
        let wrong = self.wrong_since.iter().find(|(_, since)| self.now >= **since + grace);
        assert!(
            !is_ready || wrong.is_none(),
            "{} although {wrong:?} is wrong",
            ready.message
        );
        let failed = summary.namespaces.failed
            + summary.accounts.failed
            + summary.copies_left.failed
            + summary.references_left.failed;
        assert_eq!(
            usize::try_from(failed),
            Ok(status.failures.len()),
            "each that failed is named, and no other"
        );
        self.judge_failures(&status);
    }

    /// Each failure of the status must still be one.
    fn judge_failures(&self, status: &ClusterPullSecretStatus) {
        for failure in &status.failures {
            let retry = |name: &str| {
                let key = [
                    Key::secret(&name.into(), &"company".into()),
                    Key::account(&name.into(), &"default".into()),
                ];
                key.iter()
                    .any(|key| self.reconciler.pending.retry(key).is_some() || self.reconciler.contended(key).is_some())
            };
            // Emptied copies that a finalizer holds.
            let emptied = |name: &str| {
                let cached = self.reconciler.places[name].facts.secrets.get("company");
                cached.is_some_and(|cached| cached.traits.deleting)
            };
            let name = &failure.namespace;
            let there = self.is_wrong(name) || retry(name) || emptied(name);
            assert!(there, "{failure:?} is over");
        }
    }

    fn status(&self, summary: &Summary) -> ClusterPullSecretStatus {
        let late = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
        let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
        let credentials = plan::registries::merge(&[], &plan::registries::LastGood::default());
        plan::status::report(&plan::status::Facts {
            installation: "pullsecrets-system/pullsecrets",
            remark: None,
            generation: 1,
            secret_name: "company",
            previous: &ClusterPullSecretStatus::default(),
            unreadable: None,
            attaches: true,
            credentials: Some(&credentials),
            lasting_problem: false,
            summary: Some(summary),
            blocked: None,
            deleting: false,
            left_out: &[],
            unread: None,
            state_secret: None,
            late: plan::status::Late {
                namespaces: late(summary.namespaces_late_at),
                accounts: late(summary.accounts_late_at),
                copies_left: late(summary.copies_left.late_at),
                references_left: late(summary.references_left.late_at),
            },
            pods: None,
            requested_at: None,
            now: &time,
        })
    }
}
