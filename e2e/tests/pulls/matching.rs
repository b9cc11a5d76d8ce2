//! Pulls confirm the table of registry servers in `crd/README.md`.

use futures::future::join_all;

use super::story::{PULL, REFUSED, Story, only};

/// The repository of a row is unique, so that its requests can be counted.
const UNIQUE: &str = "ROW";

/// A server, and images that its login serves or does not serve.
struct Row {
    server: &'static str,
    served: &'static [&'static str],
    refused: &'static [&'static str],
}

const ROWS: [Row; 9] = [
    Row {
        server: "r1.example.com",
        served: &["r1.example.com/ROW/app"],
        refused: &["r1.example.com:5000/ROW/other"],
    },
    Row {
        server: "r2.example.com:5000",
        served: &["r2.example.com:5000/ROW/app"],
        refused: &["r2.example.com/ROW/other"],
    },
    Row {
        server: "r3.example.com/ROW",
        served: &["r3.example.com/ROW/app", "r3.example.com/ROW-other/app"],
        refused: &["r3.example.com/other/ROW/app"],
    },
    Row {
        server: "r4.example.com/ROW/",
        served: &["r4.example.com/ROW/app"],
        refused: &["r4.example.com/ROW-other/app"],
    },
    Row {
        server: "*.glob.example.com",
        served: &["a.glob.example.com/ROW/app"],
        refused: &["a.b.glob.example.com/ROW/other"],
    },
    Row {
        server: "docker.io",
        served: &[
            "docker.io/library/ROW",
            "docker.io/ROW/app",
            "index.docker.io/ROW/second",
            "ROW/third",
        ],
        refused: &[],
    },
    Row {
        server: "index.docker.io",
        served: &["docker.io/ROW/app"],
        refused: &[],
    },
    Row {
        server: "registry-1.docker.io",
        served: &["docker.io/ROW/app"],
        refused: &[],
    },
    Row {
        server: "docker.io/ROW",
        served: &["ROW/app", "ROW-other/app"],
        refused: &["docker.io/library/ROW"],
    },
];

/// Docker Hub's spellings, a path, a port and a glob: the node pulls exactly what the table says.
#[tokio::test]
#[cfg_attr(no_node, ignore = "needs a node")]
async fn pulls_confirm_the_matching_table() {
    let rows = ROWS.iter().enumerate().map(async |(number, row)| {
        let story = Story::begin(&format!("row-{number}")).await;
        let unique = story.scenario.name().to_owned();
        story.serve(&row.server.replace(UNIQUE, &unique), &story.login).await;
        let namespace = story.served("team").await;
        for (at, image) in row.served.iter().enumerate() {
            let (image, repository) = pushed(&story, image, &unique).await;
            story.starts(&namespace, &format!("served-{at}"), &image, |_| ()).await;
            let requests = story.pulls_in(&repository).await;
            assert_eq!(requests, PULL, "{} serves {image}", row.server);
        }
        for (at, image) in row.refused.iter().enumerate() {
            let (image, repository) = pushed(&story, image, &unique).await;
            story
                .is_refused(&namespace, &format!("refused-{at}"), &image, |_| ())
                .await;
            let requests = story.requests_in(&repository).await;
            assert!(
                only(&requests, REFUSED),
                "{} does not serve {image}: {requests}",
                row.server
            );
        }
        assert_eq!(story.failed_checks().await, 0, "{}", row.server);
        story.end().await;
    });
    join_all(rows).await;
}

/// Pushes an image under the repository that this name stands for, and routes its host. Returns name and repository.
async fn pushed(story: &Story, image: &str, unique: &str) -> (String, String) {
    let image = image.replace(UNIQUE, unique);
    let (host, repository) = match image.split_once('/') {
        Some((host, path)) if host.contains('.') => (host.replace("index.docker.io", "docker.io"), path.to_owned()),
        _ => ("docker.io".to_owned(), image.clone()),
    };
    story.route(&host).await;
    story.image_in(&repository).await;
    (format!("{image}:1"), repository)
}
