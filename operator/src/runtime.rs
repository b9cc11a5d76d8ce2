//! Everything that is started, and how it ends.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::Kubeconfig;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::events::EventRecorder;
use crate::api::lease::{self, Election};
use crate::api::proxy::{Connect, Variables};
use crate::api::watch::{Lists, SILENCE, Watches};
use crate::api::watch_health::Progress;
use crate::api::write::Writer;
use crate::args::{Args, MetricsAddress};
use crate::leadership::Leadership;
use crate::namespaces::controller as namespaces;
use crate::objects::controller as objects;
use crate::objects::sources::Sources;
use crate::observability::health::{self, Pulse};
use crate::observability::metrics::{self, Metrics};
use crate::observability::telemetry::Telemetry;
use crate::wanted::LabelKeys;

/// Writes under way get this long to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(6);
/// A process that lost the lease ends before another one may take it.
const GRACE_OF_A_LOSER: Duration = Duration::from_secs(1);

/// In place of the error of a task that panicked, which quotes the panic: see [`crate::observability::panics`].
fn panicked(_: JoinError) -> anyhow::Error {
    anyhow::anyhow!("a loop panicked")
}

/// Runs the operator until SIGTERM or SIGINT. What goes wrong (a wrong kubeconfig, an address in use, a lost lease) is
/// in the log, like all else; an error is one of the log itself.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let telemetry = Telemetry::start(args.log_format)?;
    let ended = match operate(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    };
    // The exporter blocks its thread while it sends what is left.
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
    let progress = Progress::new();
    let metrics = Metrics::new(leadership.clone(), progress.clone());
    let pulses = (Pulse::new(), Pulse::new());
    serve(args, &pulses, &progress, &metrics, &token).await?;

    let own = args.own_namespace();
    let watch = watch_client(&connect)?;
    let lists = Lists::probe(&watch).await;
    info!(namespace = %own, ?lists, version = env!("CARGO_PKG_VERSION"), "starting");
    let watches = Watches::new(watch, lists, args.relist_interval(), progress.clone());
    let still_wanted = CancellationToken::new();
    let lease = progress.hear(lease_client(&connect)?);
    let election = elect(args, lease, &own, &leadership, still_wanted.clone());
    let shared = Shared {
        managed,
        watches,
        write: write_client(&connect)?,
        leadership,
        metrics,
        token: token.clone(),
    };
    let loops = start(args, own, shared, pulses);
    until_the_end(loops, election, &token, &still_wanted).await
}

/// Serves health and metrics until the token is cancelled.
async fn serve(
    args: &Args,
    pulses: &(Pulse, Pulse),
    progress: &Progress,
    metrics: &Metrics,
    token: &CancellationToken,
) -> anyhow::Result<()> {
    let pulses = vec![pulses.0.clone(), pulses.1.clone()];
    health::serve(args.health_bind_address, pulses, progress.clone(), token.clone())
        .await
        .with_context(|| format!("--health-bind-address {}", args.health_bind_address))?;
    if let MetricsAddress::At(address) = args.metrics_bind_address {
        metrics::serve(address, metrics.clone(), token.clone())
            .await
            .with_context(|| format!("--metrics-bind-address {address}"))?;
    }
    Ok(())
}

/// What both controllers work with.
struct Shared {
    managed: Option<BTreeSet<Arc<str>>>,
    watches: Watches,
    write: Client,
    leadership: Leadership,
    metrics: Metrics,
    token: CancellationToken,
}

/// Starts both controllers. What comes back ends when one of them does.
fn start(
    args: &Args,
    own: String,
    shared: Shared,
    (namespace_pulse, object_pulse): (Pulse, Pulse),
) -> impl Future<Output = Result<((), ()), JoinError>> + use<> {
    let Shared {
        managed,
        watches,
        write,
        leadership,
        metrics,
        token,
    } = shared;
    let others = args.other_source_namespaces();
    let writer = Writer::new(write.clone(), own.clone(), metrics.counter());
    let (keys, epoch) = (LabelKeys::new(), Instant::now());
    let (command_sender, commands) = mpsc::unbounded_channel();
    let (summary_sender, summaries) = mpsc::unbounded_channel();
    let settings = namespaces::Settings {
        watches: watches.clone(),
        writer: writer.clone(),
        concurrency: args.concurrency.into(),
        leadership: leadership.clone(),
        protected: others.iter().cloned().chain([own.clone()]).collect(),
        managed,
        keys: keys.clone(),
        epoch,
        pulse: namespace_pulse,
        metrics: metrics.clone(),
    };
    let namespace_loop = tokio::spawn(namespaces::run(settings, commands, summary_sender, token.clone()));
    let settings = objects::Settings {
        watches,
        writer,
        events: EventRecorder::new(write, metrics.counter()),
        leadership,
        sources: Sources::new(&own, &others),
        namespace: own,
        keys,
        epoch,
        pulse: object_pulse,
        metrics,
    };
    let object_loop = tokio::spawn(objects::run(settings, command_sender, summaries, token));
    async { tokio::try_join!(namespace_loop, object_loop) }
}

/// Waits for a signal, then ends in order; or for what must not happen: a loop that ends, or a lease that is lost.
async fn until_the_end(
    loops: impl Future<Output = Result<((), ()), JoinError>>,
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
            // A loop that panics ends the process: the next one starts from what the cluster holds.
            ended.map_err(panicked)?;
            anyhow::bail!("a loop ended by itself");
        }
        () = &mut election => {
            token.cancel();
            let _ = tokio::time::timeout(GRACE_OF_A_LOSER, loops).await;
            anyhow::bail!("the lease is lost: another replica leads, or may soon");
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping: no new work, the writes under way end");
    token.cancel();
    if let Ok(ended) = tokio::time::timeout(GRACE, loops).await {
        ended.map_err(panicked)?;
    } else {
        warn!("writes did not end in time");
    }
    still_wanted.cancel();
    let _ = tokio::time::timeout(lease::DEADLINE, election).await;
    Ok(())
}

/// Starts the election. It ends when the lease is lost; or, given back, when the token is cancelled.
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
        // One that panicked has lost the lease too.
        let _ = task.await;
    }
}

/// The pod's service account where there is one: a kubeconfig that happens to lie there is not asked.
async fn connect(args: &Args) -> anyhow::Result<Connect> {
    let variables = Variables::of_the_process();
    let kubeconfig = match &args.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?,
        None => match Config::incluster() {
            Ok(config) => return Connect::in_cluster(config, &variables),
            Err(_) => Kubeconfig::read()
                .context("no service account of a pod, and no kubeconfig: set KUBECONFIG or --kubeconfig")?,
        },
    };
    Connect::by_kubeconfig(kubeconfig, &variables).await
}

/// A watch says something now and then, although nothing happens.
fn watch_client(connect: &Connect) -> anyhow::Result<Client> {
    let mut connect = connect.clone();
    let config = &mut connect.config;
    config.default_retry = false;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    connect.client()
}

/// No retry: what failed is planned anew. The timeout counts from the request, not from when the connection was idle.
fn write_client(connect: &Connect) -> anyhow::Result<Client> {
    let mut connect = connect.clone();
    let config = &mut connect.config;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(crate::api::call::DEADLINE);
    config.reset_reader_on_write = true;
    connect.client()
}

/// A renewal that takes long is as good as none.
fn lease_client(connect: &Connect) -> anyhow::Result<Client> {
    let mut connect = connect.clone();
    let config = &mut connect.config;
    config.default_retry = false;
    config.connect_timeout = Some(lease::DEADLINE);
    config.read_timeout = Some(lease::DEADLINE);
    config.reset_reader_on_write = true;
    connect.client()
}
