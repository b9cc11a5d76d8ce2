//! How the tool reaches a cluster: exec plugins, OIDC, proxies and impersonation.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use e2e::scenario::Scenario;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::tool::Tool;
use crate::cli::verdicts::{SERVER, create_reader, forget_reader, prepared};

/// A name in the certificate of the API server. Outside of clusters no resolver knows it.
const NAME: &str = "kubernetes.default.svc";

/// The kubeconfig of the administrator, changed.
fn kubeconfig(scenario: &Scenario, namespace: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let admin = std::fs::read(scenario.cluster().kubeconfig_path()).unwrap();
    let mut kubeconfig: Value = serde_json::from_slice(&admin).unwrap();
    change(&mut kubeconfig);
    let path = scenario.cluster().folder().join(format!("{namespace}.kubeconfig"));
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// Creates a reader, and returns a token of it.
async fn token(scenario: &Scenario, namespace: &str) -> String {
    create_reader(scenario, namespace).await;
    let token = scenario.cluster().service_account_token(namespace, "reader").await;
    token.unwrap()
}

/// The plugin runs once for a context, and the API server accepts its token. What it says besides is not shown.
#[tokio::test]
async fn an_exec_plugin_gives_the_token() {
    let (scenario, namespace) = prepared("plugged").await;
    let token = token(&scenario, &namespace).await;
    let runs = scenario.cluster().folder().join(format!("{namespace}.runs"));
    let script = r#"echo "$KUBERNETES_EXEC_INFO" >> "$RUNS"; echo "open https://login.example.com" >&2
        printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"expirationTimestamp": "2099-01-01T00:00:00Z", "token": "%s"}}' "$TOKEN""#;
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-euc", script],
        "interactiveMode": "IfAvailable", "provideClusterInfo": true,
        "env": [{"name": "RUNS", "value": runs}, {"name": "TOKEN", "value": token}],
    });
    let path = kubeconfig(&scenario, &namespace, |kubeconfig| {
        kubeconfig["users"][0]["user"] = json!({"exec": plugin});
    });
    let tool = Tool::new(&path).await;
    let ran = tool.run(&["audit", SERVER, "-n", &namespace]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
    let received = std::fs::read_to_string(&runs).unwrap();
    assert_eq!(received.lines().count(), 1, "it runs once: {received}");
    let received: Value = serde_json::from_str(&received).unwrap();
    let server = format!("https://{}", scenario.cluster().server_address());
    assert_eq!(received["spec"]["cluster"]["server"], server.as_str(), "{received:#}");
    forget_reader(&scenario, &namespace).await;
}

/// The id token of an OIDC provider is sent while it is valid: the API server accepts it as the credential.
#[tokio::test]
async fn a_valid_oidc_token_is_sent() {
    let (scenario, namespace) = prepared("oidc").await;
    let token = token(&scenario, &namespace).await;
    let path = kubeconfig(&scenario, &namespace, |kubeconfig| {
        kubeconfig["users"][0]["user"] = json!({"auth-provider": {"name": "oidc", "config": {
            "client-id": "pullsecrets", "id-token": token, "idp-issuer-url": "https://127.0.0.1:1",
        }}});
    });
    let ran = Tool::new(&path).await.run(&["audit", SERVER, "-n", &namespace]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    forget_reader(&scenario, &namespace).await;
}

/// The kubeconfig names a user without rights. Flags replace it by a user whose group has them.
#[tokio::test]
async fn impersonated_users_have_their_own_rights() {
    let (scenario, namespace) = prepared("other").await;
    let flags = ["--as=someone", "--as-group=system:masters"];
    let audit = ["audit", SERVER, "-n", &namespace];
    let path = kubeconfig(&scenario, &namespace, |kubeconfig| {
        kubeconfig["users"][0]["user"]["as"] = json!("nobody");
    });
    let tool = Tool::new(&path).await;
    let refused = tool.run(&audit).await;
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.out.contains("you may not list them (403)"), "{refused:#?}");
    let allowed = tool.run(&[&audit[..], &flags].concat()).await;
    assert_eq!(allowed.code, Some(0), "{allowed:#?}");
}

/// A proxy by the method CONNECT, which leads each name to one server. It keeps the heads of its requests.
struct Proxy {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connected(client, server.clone(), Arc::clone(&kept)));
            }
        });
        Self { address, heads }
    }

    /// Takes the heads of the requests so far.
    fn heads(&self) -> Vec<String> {
        let mut heads = self.heads.lock().unwrap();
        std::mem::take(&mut *heads)
    }
}

async fn connected(mut client: TcpStream, server: String, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    let mut server = TcpStream::connect(server).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// The tool sends all through the proxy of the kubeconfig, with its login, or through that of the environment.
#[tokio::test]
async fn proxies_of_kubeconfig_and_environment_are_used() {
    let (scenario, namespace) = prepared("proxied").await;
    let address = scenario.cluster().server_address();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let proxy = Proxy::start(address).await;
    let audit = ["audit", SERVER, "-n", &namespace];
    let asked = format!("CONNECT {NAME}:{port} HTTP/1.1\r\n");
    let named = |proxy: Option<String>| {
        kubeconfig(&scenario, &namespace, |kubeconfig| {
            let cluster = &mut kubeconfig["clusters"][0]["cluster"];
            cluster["server"] = json!(format!("https://{NAME}:{port}"));
            if let Some(proxy) = proxy {
                cluster["proxy-url"] = json!(proxy);
            }
        })
    };

    let path = named(Some(format!("http://user:word@{}", proxy.address)));
    let ran = Tool::new(&path).await.run(&audit).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let heads = proxy.heads();
    // The base64 of user:word.
    let logged_in = |head: &String| head.to_lowercase().contains("proxy-authorization: basic dxnlcjp3b3jk");
    assert!(
        !heads.is_empty() && heads.iter().all(|head| head.starts_with(&asked)),
        "{heads:#?}"
    );
    assert!(heads.iter().all(logged_in), "{heads:#?}");

    let path = named(None);
    let url = format!("http://{}", proxy.address);
    let ran = Tool::new(&path).await.with("HTTPS_PROXY", &url).run(&audit).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let heads = proxy.heads();
    assert!(
        !heads.is_empty() && heads.iter().all(|head| head.starts_with(&asked)),
        "{heads:#?}"
    );

    let path = named(Some("http://user:word@127.0.0.1:1".to_owned()));
    let ran = Tool::new(&path).await.run(&audit).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.out.contains(&format!("{NAME}:{port} cannot be reached")),
        "{ran:#?}"
    );
}
