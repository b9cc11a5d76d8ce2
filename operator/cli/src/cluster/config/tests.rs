use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pullsecrets-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, files: &[&str]) -> Result<Config, ConfigError> {
        let files = std::env::join_paths(files.iter().map(|file| self.0.join(file))).unwrap();
        Config::read_from(None, Some(&files), &self.0.join("default"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(current: &str, context: &str, cluster: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {current}\n\
         contexts:\n- name: {context}\n  context: {{cluster: {cluster}, user: u}}\n\
         clusters:\n- name: {cluster}\n  cluster: {{server: 'https://{cluster}.example', certificate-authority: ca.crt}}\n\
         users:\n- name: u\n  user: {{token: CANARY}}\n"
    )
}

/// As in kubectl: the first file that names something wins, and a file that does not exist counts as empty.
#[test]
fn files_are_merged_and_missing_ones_skipped() {
    let folder = Folder::new("merge");
    folder.write("a", &config("one", "one", "first"));
    folder.write(
        "b",
        &(config("two", "two", "second") + &config("", "one", "third").replace("apiVersion", "\n---\napiVersion")),
    );
    let Config(merged) = folder.read(&["gone", "a", "b"]).unwrap();
    assert_eq!(merged.current_context.as_deref(), Some("one"));
    let names: Vec<&str> = merged.contexts.iter().map(|context| context.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    let one = merged.contexts[0].context.as_ref().unwrap();
    assert_eq!(one.cluster, "first");
    let authority = merged.clusters[0]
        .cluster
        .as_ref()
        .unwrap()
        .certificate_authority
        .as_deref();
    assert_eq!(
        authority,
        folder.0.join("ca.crt").to_str(),
        "paths are relative to their file"
    );
}

#[test]
fn a_kubeconfig_that_is_missing_is_said() {
    let folder = Folder::new("missing");
    let all_gone = folder.read(&["gone"]).map(|_| ()).unwrap_err();
    assert_eq!(all_gone, ConfigError::None(folder.0.join("default")));
    let flag = folder.0.join("gone");
    let error = Config::read_from(Some(&flag), None, Path::new("/"))
        .map(|_| ())
        .unwrap_err();
    assert!(
        matches!(
            error,
            ConfigError::Read {
                why: std::io::ErrorKind::NotFound,
                ..
            }
        ),
        "{error}"
    );
}

/// People see which file is wrong, and no part of its content.
#[test]
fn errors_name_the_file_and_none_of_it() {
    let folder = Folder::new("errors");
    folder.write("a", &config("one", "one", "first"));
    for (name, text) in [
        ("token", "users:\n- name: u\n  user: {token: [CANARY]}\n"),
        ("yaml", "users: CANARY\n\t- {CANARY"),
        ("list", "- CANARY"),
        ("kind", "kind: CANARY\napiVersion: v1\n"),
    ] {
        folder.write(name, text);
        let error = folder.read(&["a", name]).map(|_| ()).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(shown.contains(name) && !shown.contains("CANARY"), "{shown}");
        }
    }
}

#[cfg(unix)]
#[test]
fn an_endless_kubeconfig_is_refused_with_a_fix() {
    let error = Config::read_from(Some(Path::new("/dev/zero")), None, Path::new("/"))
        .map(|_| ())
        .unwrap_err();
    let expected = "cannot read the kubeconfig /dev/zero: it has more than 16 MiB, the most that --kubeconfig or KUBECONFIG \
                    reads: name a file with contexts, clusters and users alone";
    assert_eq!(error.to_string(), expected);
}
