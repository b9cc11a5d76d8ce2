//! Starts the operator's tasks and stops them.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::Kubeconfig;
use kube::{Client, Config};
use plan::restraint::Restraint;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::events::EventRecorder;
use crate::api::lease::{self, Election};
use crate::api::proxy::{Connect, Variables};
use crate::api::restraint::Prober;
use crate::api::watch::{ListStrategy, SILENCE, Watches};
use crate::api::watch_health::WatchHealth;
use crate::api::write::Writer;
use crate::args::{Args, MetricsAddress};
use crate::leadership::Leadership;
use crate::namespaces::controller as namespaces;
use crate::objects::controller as objects;
use crate::objects::sources::Sources;
use crate::observability::health::{self, Heartbeat};
use crate::observability::metrics::{self, Metrics};
use crate::observability::telemetry::Telemetry;
use crate::wanted::LabelKeys;

/// How long writes in flight may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(6);
/// How long a process that lost the Lease may take to end, before another one may acquire it.
const GRACE_OF_A_LOSER: Duration = Duration::from_secs(1);

/// Replaces the error of a panicked task, which quotes the panic; see [`crate::observability::panics`].
fn panicked(_: JoinError) -> anyhow::Error {
    anyhow::anyhow!("a controller panicked")
}

/// Runs the operator until SIGTERM or SIGINT. Failures, such as a bad kubeconfig, an address in use or a lost lease, go
/// to the log. An error means that the log itself failed.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let telemetry = Telemetry::start(args.log_format)?;
    let ended = match operate(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    };
    // Flushing blocks its thread, so it gets one of its own.
    let _ = tokio::task::spawn_blocking(move || telemetry.stop()).await;
    Ok(ended)
}

async fn operate(args: &Args) -> anyhow::Result<()> {
    let managed = args.managed_names()?;
    let connect = connect(args).await?;
    let token = CancellationToken::new();
    let leadership = if args.leader_elect {
        Leadership::new()
    } else {
        Leadership::alone()
    };
    let watch_health = WatchHealth::new();
    if args.require_restraint {
        leadership.set_restraint(Restraint::untried());
    }
    let metrics = Metrics::new(leadership.clone(), watch_health.clone());
    let heartbeats = (Heartbeat::new(), Heartbeat::new());
    serve(args, &heartbeats, &leadership, &watch_health, &metrics, &token).await?;

    let own = args.own_namespace();
    let watch = watch_client(&connect)?;
    let list_strategy = ListStrategy::probe(&watch).await;
    info!(namespace = %own, lists = ?list_strategy, version = env!("CARGO_PKG_VERSION"), "starting");
    let watches = Watches::new(watch, list_strategy, args.relist_interval(), watch_health.clone());
    let still_wanted = CancellationToken::new();
    let lease = watch_health.observe(lease_client(&connect)?);
    let election = elect(args, lease, &own, &leadership, still_wanted.clone());
    let write = write_client(&connect)?;
    let events = EventRecorder::new(write.clone(), metrics.counter());
    let prober = args.require_restraint.then(|| {
        let (leadership, events) = (leadership.clone(), events.clone());
        let connect = move || write_client(&connect);
        let secret = managed.iter().flatten().next().map(AsRef::as_ref);
        let prober = Prober::new(connect, &own, &args.restraint_prefix, leadership, events).limited_to(secret);
        let prober = prober.deleting_pods(args.recover_pods.then(Args::pod_name).flatten());
        tokio::spawn(prober.run(token.clone()))
    });
    let shared = Shared {
        managed,
        watches,
        write,
        events,
        leadership,
        metrics,
        token: token.clone(),
    };
    let controllers = start(args, own, shared, heartbeats);
    // Without its prober the operator would trust the last proof forever: the process ends with it.
    let prober = async {
        match prober {
            Some(task) => task.await,
            None => Ok(()),
        }
    };
    let loops = async { tokio::try_join!(controllers, prober).map(drop) };
    until_the_end(loops, election, &token, &still_wanted).await
}

/// Serves health and metrics until the token is cancelled.
async fn serve(
    args: &Args,
    heartbeats: &(Heartbeat, Heartbeat),
    leadership: &Leadership,
    watch_health: &WatchHealth,
    metrics: &Metrics,
    token: &CancellationToken,
) -> anyhow::Result<()> {
    let heartbeats = vec![heartbeats.0.clone(), heartbeats.1.clone()];
    health::serve(
        args.health_bind_address,
        heartbeats,
        leadership.clone(),
        watch_health.clone(),
        token.clone(),
    )
    .await
    .with_context(|| format!("--health-bind-address {}", args.health_bind_address))?;
    if let MetricsAddress::At(address) = args.metrics_bind_address {
        metrics::serve(address, metrics.clone(), token.clone())
            .await
            .with_context(|| format!("--metrics-bind-address {address}"))?;
    }
    Ok(())
}

/// What both controllers use.
struct Shared {
    managed: Option<BTreeSet<Arc<str>>>,
    watches: Watches,
    write: Client,
    events: EventRecorder,
    leadership: Leadership,
    metrics: Metrics,
    token: CancellationToken,
}

/// Starts both controllers. The returned future ends when one of them does.
fn start(
    args: &Args,
    own: String,
    shared: Shared,
    (namespace_heartbeat, object_heartbeat): (Heartbeat, Heartbeat),
) -> impl Future<Output = Result<((), ()), JoinError>> + use<> {
    let Shared {
        managed,
        watches,
        write,
        events,
        leadership,
        metrics,
        token,
    } = shared;
    let others = args.other_source_namespaces();
    let recover_pods = args.recover_pods.then(|| events.clone());
    let writer = Writer::new(write, own.clone(), metrics.counter());
    let keys = LabelKeys::new();
    let (message_sender, messages) = mpsc::unbounded_channel();
    let (summary_sender, summaries) = mpsc::unbounded_channel();
    let settings = namespaces::Settings {
        watches: watches.clone(),
        writer: writer.clone(),
        concurrency: args.concurrency.into(),
        leadership: leadership.clone(),
        protected: others.iter().cloned().chain([own.clone()]).collect(),
        managed,
        keys: keys.clone(),
        heartbeat: namespace_heartbeat,
        metrics: metrics.clone(),
        recover_pods,
    };
    let namespace_loop = tokio::spawn(namespaces::run(settings, messages, summary_sender, token.clone()));
    let settings = objects::Settings {
        watches,
        writer,
        events,
        leadership,
        sources: Sources::new(&own, &others),
        namespace: own,
        keys,
        heartbeat: object_heartbeat,
        metrics,
    };
    let object_loop = tokio::spawn(objects::run(settings, message_sender, summaries, token));
    async { tokio::try_join!(namespace_loop, object_loop) }
}

/// Waits for a signal, then shuts down in order. Fails if a controller ends by itself, the prober panics, or the lease is
/// lost.
async fn until_the_end(
    loops: impl Future<Output = Result<(), JoinError>>,
    election: impl Future<Output = ()>,
    token: &CancellationToken,
    still_wanted: &CancellationToken,
) -> anyhow::Result<()> {
    tokio::pin!(loops);
    tokio::pin!(election);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        ended = &mut loops => {
            // A panic ends the process. The next one starts from what the cluster holds.
            ended.map_err(panicked)?;
            anyhow::bail!("a controller stopped unexpectedly");
        }
        () = &mut election => {
            token.cancel();
            let _ = tokio::time::timeout(GRACE_OF_A_LOSER, loops).await;
            anyhow::bail!("lost the Lease: another replica leads, or may lead soon");
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping; waiting for writes in flight");
    token.cancel();
    if let Ok(ended) = tokio::time::timeout(GRACE, loops).await {
        ended.map_err(panicked)?;
    } else {
        warn!("timed out waiting for writes in flight");
    }
    still_wanted.cancel();
    let _ = tokio::time::timeout(lease::DEADLINE, election).await;
    Ok(())
}

/// Starts the election. The future ends when the lease is lost, or when the token is cancelled and the lease released.
fn elect(
    args: &Args,
    client: Client,
    namespace: &str,
    leadership: &Leadership,
    token: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let election = args
        .leader_elect
        .then(|| Election::new(client, namespace, Args::identity(), leadership.clone()));
    let task = tokio::spawn(async move {
        match election {
            Some(mut election) => {
                election.run(&token).await;
                election.release().await;
            }
            None => token.cancelled().await,
        }
    });
    async move {
        // A panicked election has lost the lease too.
        let _ = task.await;
    }
}

/// Connects with the service account of the pod, else with a kubeconfig. Inside of a pod, a kubeconfig that happens to
/// exist is ignored.
async fn connect(args: &Args) -> anyhow::Result<Connect> {
    let variables = Variables::of_the_process();
    let kubeconfig = match &args.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?,
        None => match Config::incluster() {
            Ok(config) => return Connect::in_cluster(config, &variables),
            Err(_) => Kubeconfig::read()
                .context("found no service account of a pod and no kubeconfig: set KUBECONFIG or --kubeconfig")?,
        },
    };
    Connect::by_kubeconfig(kubeconfig, &variables).await
}

/// Client for watches. A healthy watch receives a bookmark now and then, so silence means a dead connection.
fn watch_client(connect: &Connect) -> anyhow::Result<Client> {
    let mut connect = connect.clone();
    let config = &mut connect.config;
    config.default_retry = false;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    connect.client()
}

/// Client for writes, without retries: the namespace controller evaluates a failed key again. The timeout counts from
/// the request, not from when the connection became idle.
fn write_client(connect: &Connect) -> anyhow::Result<Client> {
    let mut connect = connect.clone();
    let config = &mut connect.config;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(crate::api::call::DEADLINE);
    config.reset_reader_on_write = true;
    connect.client()
}

/// Client for the Lease. Its timeouts are short, because a late renewal is worth as little as none.
fn lease_client(connect: &Connect) -> anyhow::Result<Client> {
    let mut connect = connect.clone();
    let config = &mut connect.config;
    config.default_retry = false;
    config.connect_timeout = Some(lease::DEADLINE);
    config.read_timeout = Some(lease::DEADLINE);
    config.reset_reader_on_write = true;
    connect.client()
}
