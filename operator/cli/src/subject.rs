//! What creates Pods, each with the Pods that it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::world::{Kind, Namespace, Pod, Template, Text, WorkloadId};

/// A workload with its Pods.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// What creates the Pods: the outermost object that is known, or a bare Pod itself.
    pub id: WorkloadId,
    /// The Pod that it would create now.
    pub template: Arc<Template>,
    /// The Pods that have not ended, by name. Static Pods are not among them.
    pub pods: Vec<(&'a Text, &'a Pod)>,
}

/// Returns the workloads of a namespace by kind and name.
///
/// A `ReplicaSet` belongs to its Deployment, and a Job to its `CronJob`. A Job that has finished creates no more Pods. The Pods
/// of a controller that is not known stand together under its name.
pub fn subjects(namespace: &Namespace) -> BTreeMap<WorkloadId, Subject<'_>> {
    let mut subjects = BTreeMap::new();
    for (id, workload) in &namespace.workloads {
        let is_part = workload
            .controller
            .as_ref()
            .is_some_and(|of| namespace.workloads.contains_key(of));
        if !workload.finished && !is_part {
            let subject = Subject {
                id: id.clone(),
                template: Arc::clone(&workload.template),
                pods: Vec::new(),
            };
            subjects.insert(id.clone(), subject);
        }
    }
    for (name, pod) in namespace.pods.iter().filter(|(_, pod)| !pod.ended && !pod.is_static) {
        let id = root(namespace, name, pod);
        let subject = subjects.entry(id.clone()).or_insert_with(|| Subject {
            id,
            template: again(namespace, pod),
            pods: Vec::new(),
        });
        subject.pods.push((name, pod));
    }
    subjects
}

/// Returns what a Pod belongs to.
pub fn root(namespace: &Namespace, name: &Text, pod: &Pod) -> WorkloadId {
    let Some(controller) = &pod.controller else {
        return WorkloadId {
            kind: Kind::Pod.as_str().into(),
            name: name.clone(),
        };
    };
    let above = namespace
        .workloads
        .get(controller)
        .and_then(|workload| workload.controller.as_ref());
    let above = above.filter(|above| namespace.workloads.contains_key(above));
    above.unwrap_or(controller).clone()
}

/// Returns the Pod that is created if this one is created again.
///
/// Admission copied the list of the account into a Pod that brought none. So a list of which each name is in the list of the
/// account counts as copied, although its author may have written it.
fn again(namespace: &Namespace, pod: &Pod) -> Arc<Template> {
    let account = namespace.accounts.get(&pod.template.account);
    let copied = account.is_some_and(|account| pod.template.secrets.iter().all(|name| account.secrets.contains(name)));
    if !copied || pod.template.secrets.is_empty() {
        return Arc::clone(&pod.template);
    }
    Arc::new(Template {
        secrets: Box::default(),
        ..pod.template.as_ref().clone()
    })
}
