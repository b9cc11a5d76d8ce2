//! What an object reports: its status, and the Event about what it leaves behind.

use std::time::Duration;

use crd::ClusterPullSecretStatus;
use crd::names::ANNOTATION_RECONCILE;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use plan::last_good;
use plan::status::{self, Late, NOT_HANDED_OVER, report};
use plan::step::{Next, ObjectStep, Step};

use super::ObjectState;
use crate::api::events::ObjectEvent;

impl ObjectState {
    /// Returns the report to write, or when to look again.
    pub(super) fn next_report(&mut self, now: Duration, time: &Time) -> Next {
        let declared_at = self.declared.as_ref().map(|declared| declared.at);
        let speaks = self.summary().is_some() || self.steps.blocked.is_some() || self.spec.unreadable.is_some();
        let unlisted_at = status::unlisted_at(declared_at, now);
        if !speaks && now < unlisted_at {
            return Next::At(unlisted_at);
        }
        let recovered_before = self.sent.recovered_before(&self.status);
        let status = self.report(recovered_before, now, time);
        let mut shown = status.clone();
        if self.installation.unrecorded {
            shown.installation = None;
        }
        if shown != self.status {
            let due_at = self.sent.writes(declared_at).due_at(&status);
            return match due_at.filter(|&at| now < at) {
                Some(at) => Next::At(at),
                None => Next::Write(Step::Object(ObjectStep::PatchStatus {
                    gone: status::fields_gone(&self.status, &status),
                    status: Box::new(status),
                })),
            };
        }
        let Some(summary) = self.summary() else {
            return Next::Idle;
        };
        let next = Next::Idle.or_at(status::changes_at(summary, self.credentials.stalls_at(), now));
        if status::is_carried_out(&status, summary) {
            self.reconciled_after = self.asked_at.take().map(|asked| now.saturating_sub(asked));
        }
        next
    }

    fn report(&self, recovered_before: i64, now: Duration, time: &Time) -> ClusterPullSecretStatus {
        let state = self.credentials.state().filter(|state| state.last_good.is_some());
        let is_misnamed = self.installation.is_misnamed(&self.seen);
        let late = |summary| Late::of(summary, self.is_deleting(), now);
        report(&status::Facts {
            generation: self.generation(),
            installation: self.installation.own(),
            remark: is_misnamed.then_some(NOT_HANDED_OVER),
            secret_name: self.secret_name(),
            previous: &self.status,
            unreadable: self.spec.unreadable.as_deref(),
            left_out: &self.spec.keys_left_out(),
            attaches: self.spec.attaches(),
            credentials: self.credentials.merged(),
            lasting_problem: self.credentials.stalls_at().is_some_and(|at| at <= now),
            summary: self.summary(),
            blocked: self.steps.blocked.as_ref(),
            deleting: self.is_deleting(),
            unread: self.credentials.unread(&self.operator_namespace),
            state_secret: state.and(self.uid()).map(|uid| last_good::secret_name(&uid)),
            late: self.summary().map(late).unwrap_or_default(),
            pods: self.summary().map_or(self.status.pods, |summary| {
                summary.pods.reported(self.status.pods, recovered_before)
            }),
            requested_at: self.seen.annotations().get(ANNOTATION_RECONCILE).map(String::as_str),
            now: time,
        })
    }

    /// Returns the Event about what stays behind when the object goes.
    pub(super) fn left_behind(&self) -> Option<ObjectEvent> {
        let summary = self.summary.as_ref().filter(|summary| summary.pending_cleanup > 0);
        let state = self
            .credentials
            .state()
            .map(|_| format!("secret {}", self.state_secret()));
        let stuck = summary.map_or(&[][..], |summary| &summary.stuck);
        let more = summary.map_or(0, |summary| summary.pending_cleanup.saturating_sub(stuck.len()));
        let left: Vec<String> = state.into_iter().chain(stuck.iter().cloned()).collect();
        let failures = summary.map_or(&[][..], |summary| &summary.failures);
        (!left.is_empty()).then(|| ObjectEvent::left_behind(&left, more, failures))
    }
}
