//! Each tool, before and after the step that must come first, and what a write does to its Secrets.

use serde_json::{Value, json};

use super::rows::{Row, rows};
use super::{Asked, CANARY, OPERATOR, account, commands, login, merge, namespaces, only, plan, secret, seen};
use crate::adopt::report::{AdoptReport, ContextPlan, Verdict};
use crate::adopt::role::State;
use crate::adopt::{Leftovers, Tool, write};

const SERVER: &str = "r.example.com";

impl Row {
    /// The copies in three namespaces, and what they are copied from.
    fn secrets(&self) -> Vec<Value> {
        let config = || {
            let mut config = login(SERVER, "robot");
            if let Some(email) = self.email {
                config["auths"][SERVER]["email"] = email.into();
            }
            config
        };
        let mut all: Vec<Value> = ["a", "b", "c"]
            .iter()
            .map(|namespace| secret(namespace, self.secret, &(self.copy)(namespace), &config()))
            .collect();
        all.extend(
            self.source
                .map(|source| secret("default", self.secret, &source(), &config())),
        );
        all
    }

    fn cluster(&self, secrets: &[Value], tool: &[Value]) -> Leftovers {
        let mut all = namespaces(&["a", "b", "c", "default", "kube-system", OPERATOR]);
        all.extend(["a", "b", "c"].map(|namespace| account(namespace, "default", &["first", self.secret, "last"])));
        all.push(secret(OPERATOR, "lasting", &json!({}), &login(SERVER, "lasting")));
        seen(&[&all, secrets, tool].concat())
    }

    /// The Secrets once a push has ended, or as they are.
    fn detached(&self) -> Vec<Value> {
        let mut secrets = self.secrets();
        if self.first.starts_with("kubectl annotate") {
            for secret in &mut secrets {
                merge(
                    secret,
                    &json!({"metadata": {"annotations": {"replicator.v1.mittwald.de/replicate-to": null}}}),
                );
            }
        }
        secrets
    }

    fn asked(&self) -> Asked {
        Asked {
            from: vec![self.tool.key().to_owned()],
            source: self.short_lived.then_some("lasting"),
            ..Asked::default()
        }
    }
}

#[test]
fn tools_that_run_must_be_stopped_first() {
    for row in rows() {
        let (group, proposal) = only(plan(&row.cluster(&row.secrets(), &row.running), &row.asked()));
        assert_eq!(group.left_by[0].tool, row.tool, "{group:#?}");
        if row.first.is_empty() {
            assert_eq!(group.verdict, Verdict::Adopt, "{group:#?}");
            continue;
        }
        assert_eq!(group.verdict, Verdict::StepsFirst, "{group:#?}");
        assert!(proposal.is_none() && group.object.is_none());
        let commands = commands(&group.first);
        assert!(commands.contains(row.first), "{}\n{commands}", row.first);
    }
}

#[test]
fn stopped_tools_are_adopted_with_their_sources() {
    for row in rows() {
        let cluster = row.cluster(&row.detached(), &row.stopped);
        let (group, proposal) = only(plan(&cluster, &row.asked()));
        assert_eq!(group.verdict, Verdict::Adopt, "{group:#?}");
        let places: Vec<&str> = group.copies.iter().map(|copy| copy.namespace.as_str()).collect();
        let expected: &[&str] = if row.source.is_some() {
            &["a", "b", "c", "default"]
        } else {
            &["a", "b", "c"]
        };
        assert_eq!(places, expected, "what is copied from comes last");
        assert_eq!(group.accounts, ["a/default", "b/default", "c/default"]);
        let after = commands(&group.after);
        assert!(after.contains(row.after), "{}\n{after}", row.after);
        let proposal = proposal.expect("a proposal");
        assert!(proposal.object.spec.suspend);
        assert_eq!(proposal.source.from.is_none(), row.short_lived);
    }
}

#[test]
fn logins_of_hours_need_a_lasting_source() {
    for row in rows().iter().filter(|row| row.short_lived) {
        let cluster = row.cluster(&row.secrets(), &row.stopped);
        let (group, _) = only(plan(
            &cluster,
            &Asked {
                from: vec![row.tool.key().to_owned()],
                ..Asked::default()
            },
        ));
        assert_eq!(group.verdict, Verdict::ShortLived, "{group:#?}");
    }
}

/// A patch carries uid and resourceVersion, takes off all marks and only these, and `--undo` puts them back.
#[test]
fn marks_go_in_one_patch_and_come_back() {
    for row in rows() {
        let before = row.detached();
        let cluster = row.cluster(&before, &row.stopped);
        let proposal = only(plan(&cluster, &row.asked())).1.expect("a proposal");
        let mut after = before.clone();
        for member in &proposal.members {
            assert_eq!(member.state(), State::Left);
            let patch = write::strip(&cluster, member);
            assert_eq!(patch["metadata"]["resourceVersion"], "7");
            assert!(
                patch["metadata"]["uid"]
                    .as_str()
                    .is_some_and(|uid| uid.starts_with("uid-"))
            );
            assert!(!patch.to_string().contains(CANARY), "{patch}");
            let own = after
                .iter_mut()
                .find(|secret| secret["metadata"]["namespace"] == member.secret.meta.namespace);
            merge(own.expect("the Secret"), &patch);
        }
        let cluster = row.cluster(&after, &row.stopped);
        let (group, proposal) = only(plan(&cluster, &row.asked()));
        assert_eq!(group.verdict, Verdict::Adopt, "{group:#?}");
        for member in &proposal.expect("a proposal").members {
            assert_eq!(member.state(), State::Detached);
            // A source whose push has ended has no mark.
            let is_plain = member.secret.meta.namespace == "default" && row.tool == Tool::Replicator;
            assert_eq!(member.tool(), if is_plain { Tool::Script } else { row.tool });
            assert!(
                !write::needs_strip(&cluster, member),
                "{row}: {:?}",
                member.secret.meta.labels,
                row = row.secret
            );
        }
        for (secret, before) in after.iter().zip(&before) {
            assert_eq!(secret["data"], before["data"]);
            let seen = cluster.secret_of(&secret.to_string()).expect("a Secret");
            let mut restored = secret.clone();
            merge(&mut restored, &write::restore(&cluster, &seen).expect("a record"));
            let mut expected = before.clone();
            // The step that came first deleted the owner.
            if row.tool == Tool::CarvelImport {
                merge(&mut expected, &json!({"metadata": {"ownerReferences": null}}));
            }
            assert_eq!(marks(&restored), marks(&expected), "{}", row.secret);
        }
    }
}

/// Labels, annotations and owners, without what cannot come back.
fn marks(secret: &Value) -> Value {
    let metadata = &secret["metadata"];
    let mut annotations = metadata["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|_, value| !value.as_str().unwrap_or_default().contains(CANARY));
    }
    let some = |value: &Value| {
        let is_empty =
            value.as_object().is_none_or(serde_json::Map::is_empty) && value.as_array().is_none_or(Vec::is_empty);
        if is_empty { Value::Null } else { value.clone() }
    };
    json!([
        some(&metadata["labels"]),
        some(&annotations),
        some(&metadata["ownerReferences"])
    ])
}

/// An entry is recorded without a write to the list, and the record goes again.
#[test]
fn entries_are_recorded_and_lists_are_not_written() {
    let row = &rows()[0];
    let cluster = row.cluster(&row.detached(), &row.stopped);
    let account = &cluster.accounts[&("a".to_owned(), "default".to_owned())];
    let patch = write::record(account, row.secret, &[row.tool]);
    let expected = json!({"metadata": {"uid": "sa-a-default", "resourceVersion": "5",
        "annotations": {"pullsecrets.dev/attached": row.secret}}});
    assert_eq!(patch, expected);
    let mut recorded = account.clone();
    recorded.attached = vec!["other".to_owned(), row.secret.to_owned()];
    let patch = write::unrecord(&recorded, row.secret);
    assert_eq!(
        patch["metadata"]["annotations"],
        json!({"pullsecrets.dev/attached": "other"})
    );
}

/// What an account asks a tool for goes with the record, and comes back with it.
#[test]
fn an_account_asks_its_tool_again_after_an_undo() {
    const AUDIENCE: &str = "imagepullsecrets.preferred.jp/audience";
    let row = rows().into_iter().find(|row| row.tool == Tool::Pfnet).expect("a row");
    let cluster = row.cluster(&row.detached(), &row.stopped);
    let mut account = cluster.accounts[&("a".to_owned(), "default".to_owned())].clone();
    account
        .meta
        .annotations
        .insert(AUDIENCE.to_owned(), "registry".to_owned());
    let before = json!({"metadata": {"annotations": account.meta.annotations}});
    let mut now = before.clone();
    merge(&mut now, &write::record(&account, row.secret, &[row.tool]));
    assert!(now["metadata"]["annotations"][AUDIENCE].is_null(), "{now:#}");
    account.meta.annotations = serde_json::from_value(now["metadata"]["annotations"].clone()).expect("annotations");
    account.attached = vec![row.secret.to_owned()];
    merge(&mut now, &write::unrecord(&account, row.secret));
    assert_eq!(now["metadata"]["annotations"], before["metadata"]["annotations"]);
}

#[test]
fn no_report_holds_a_part_of_a_secret() {
    for row in rows() {
        for tool in [&row.running, &row.stopped] {
            let cluster = row.cluster(&row.secrets(), tool);
            let plan = plan(&cluster, &row.asked());
            let shown = format!("{cluster:?} {plan:?}");
            let groups = plan.groups.into_iter().map(|(group, _)| group).collect();
            let report = AdoptReport::of(vec![ContextPlan {
                groups,
                ..ContextPlan::default()
            }]);
            let json = serde_json::to_string(&report).expect("JSON");
            assert!(!shown.contains(CANARY) && !json.contains(CANARY), "{json}");
        }
    }
}
