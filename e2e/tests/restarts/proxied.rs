//! A proxy between the operator and the API server, as in the network of a company.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use e2e::cluster::Cluster;
use e2e::operator::{Operator, Options};
use e2e::scenario::Scenario;
use e2e::{OPERATOR_ACCOUNT, SYSTEM_NAMESPACE};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A name in the certificate of the server that does not resolve here: only the proxy knows the address.
const SERVER: &str = "kubernetes.default.svc:6443";

#[tokio::test]
async fn the_operator_honours_the_proxy_variables() {
    let scenario = Scenario::own("proxied").await;
    scenario.stop_operator().await;
    let cluster = scenario.cluster();
    let kubeconfig = cluster
        .service_account_kubeconfig(SYSTEM_NAMESPACE, OPERATOR_ACCOUNT)
        .await
        .unwrap();

    // Each of these once ended the operator: a proxy for other servers, and an odd list.
    let unused = [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("NO_PROXY", "127.0.0.1,10.0.0.0/8,.svc,"),
    ];
    start(cluster, &kubeconfig, &unused).await;

    let (elsewhere, server) = with_another_server(&kubeconfig);
    let (proxy, asked) = proxy(server).await;
    let used = [
        ("HTTPS_PROXY", proxy.as_str()),
        ("NO_PROXY", "127.0.0.1,default.svc:443"),
    ];
    start(cluster, &elsewhere, &used).await;
    let asked = asked.lock().unwrap().clone();
    let expected = format!("CONNECT {SERVER} HTTP/1.1 Basic cm9ib3Q6cC9z");
    assert!(
        !asked.is_empty() && asked.iter().all(|line| *line == expected),
        "{asked:?}"
    );
}

/// Starts it, waits until it is ready, and stops it in order.
async fn start(cluster: &Cluster, kubeconfig: &Path, variables: &[(&str, &str)]) {
    let variables = variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let options = Options {
        environment: variables.collect(),
        ..Options::default()
    };
    let operator = Operator::start_as(cluster, &options, kubeconfig).await.unwrap();
    operator.stop().await.unwrap();
}

/// Returns the kubeconfig with another address of the server, and the original address.
fn with_another_server(kubeconfig: &Path) -> (PathBuf, String) {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let (_, rest) = text.split_once("https://").unwrap();
    let server: String = rest.chars().take_while(|char| !"\"\n ".contains(*char)).collect();
    let elsewhere = kubeconfig.with_extension("elsewhere");
    std::fs::write(&elsewhere, text.replace(&server, SERVER)).unwrap();
    (elsewhere, server)
}

/// Starts a proxy that forwards every request to one server. Returns its address, and the requests with their logins.
async fn proxy(server: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://robot:p%2Fs@{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(lead(client, server.clone(), Arc::clone(&seen)));
        }
    });
    (address, asked)
}

async fn lead(client: TcpStream, server: String, asked: Arc<Mutex<Vec<String>>>) {
    let mut client = BufReader::new(client);
    let (mut first, mut login) = (String::new(), String::new());
    client.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("proxy-authorization")
        {
            value.trim().clone_into(&mut login);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    asked.lock().unwrap().push(format!("{} {login}", first.trim()));
    let mut upstream = TcpStream::connect(server).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut upstream).await;
}
