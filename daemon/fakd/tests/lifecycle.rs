//! The program itself: starts, answers, reloads, stops, and survives being killed.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    os::unix::{net::UnixDatagram, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use fak_chain::{Record, RecordKind};
use fak_journal::Reader;
use fak_kernel::Tally;
use fak_proto::v1::{
    AdjudicateRequest, AdjudicateResponse, EmergencyDisableRequest, MetricsRequest,
    PolicyLoadRequest, StatusRequest, StatusResponse, fak_client::FakClient,
};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{net::UnixStream, runtime::Runtime};
use tonic::transport::{Channel, Endpoint};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

struct Home {
    dir: TempDir,
    runtime: Runtime,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("run")).expect("made");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self { dir, runtime }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fakd"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .arg("--user")
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn start(&self, args: &[&str]) -> Daemon {
        let child = self.command(args).spawn().expect("started");
        let daemon = Daemon(child);
        let begun = Instant::now();
        while self.runtime.block_on(client(&self.socket())).is_err() {
            assert!(begun.elapsed() < PATIENCE, "fakd is not ready");
            thread::sleep(Duration::from_millis(2));
        }
        daemon
    }

    /// Runs fakd where it must end by itself; yields its exit code and what it said.
    fn fails(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.command(args).output().expect("ran");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    fn socket(&self) -> PathBuf {
        self.path("run/fak/fakd.sock")
    }

    fn journal(&self) -> PathBuf {
        self.path("state/fak/journal.db")
    }

    fn policy(&self, text: &str) {
        let dir = self.path("config/fak/policy.d");
        fs::create_dir_all(&dir).expect("made");
        fs::write(dir.join("p.json"), text).expect("written");
    }

    fn ask(&self, tool: &str) -> AdjudicateResponse {
        self.runtime.block_on(async {
            let request = AdjudicateRequest {
                tool: tool.to_owned(),
                trace_id: "t".to_owned(),
                ..AdjudicateRequest::default()
            };
            let mut client = client(&self.socket()).await.expect("connected");
            client
                .adjudicate(request)
                .await
                .expect("answered")
                .into_inner()
        })
    }

    fn status(&self) -> StatusResponse {
        self.runtime.block_on(async {
            let mut client = client(&self.socket()).await.expect("connected");
            client
                .status(StatusRequest {})
                .await
                .expect("told")
                .into_inner()
        })
    }

    /// The samples of the metrics page that are folded from the journal.
    fn counters(&self) -> BTreeMap<String, f64> {
        let text = self.runtime.block_on(async {
            let mut client = client(&self.socket()).await.expect("connected");
            let page = client.metrics(MetricsRequest {}).await.expect("told");
            page.into_inner().text
        });
        assert!(text.ends_with("# EOF\n"), "{text}");
        text.lines()
            .filter(|line| {
                (line.contains("_total") || line.contains("duration")) && !line.starts_with('#')
            })
            .filter(|line| !line.starts_with("fak_log_lines"))
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').expect("a sample");
                (name.to_owned(), value.parse().expect("a number"))
            })
            .collect()
    }

    /// The same from a fresh fold over the file.
    fn folded(&self) -> Tally {
        let mut tally = Tally::default();
        self.records().iter().for_each(|record| tally.count(record));
        tally
    }

    fn records(&self) -> Vec<Record> {
        let rows = Reader::open(self.journal())
            .expect("open")
            .rows(1, 10_000)
            .expect("rows");
        rows.iter()
            .map(|row| row.record().expect("a record"))
            .collect()
    }

    fn assert_sound(&self) {
        let report = fak_journal::verify(self.journal()).expect("read");
        assert!(report.is_sound(), "{report:?}");
    }
}

async fn client(socket: &Path) -> Result<FakClient<Channel>, tonic::transport::Error> {
    let socket = socket.to_owned();
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static(fak_proto::AUTHORITY)
        .connect_with_connector(connector)
        .await
        .map(FakClient::new)
}

struct Daemon(Child);

impl Daemon {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.0.id().to_string()])
            .status();
        assert!(sent.expect("sent").success());
    }

    fn ended(&mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().expect("waited") {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "fakd does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let mut told = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            stderr.read_to_string(&mut told).expect("read");
        }
        (status, told)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kind(answer: &AdjudicateResponse) -> &str {
    answer.verdict.as_ref().map_or("", |verdict| &verdict.kind)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

const ALLOW_READ: &str = r#"{"version": "fak-policy/v1", "allow": ["Read"]}"#;
const ALLOW_WRITE: &str = r#"{"version": "fak-policy/v1", "allow": ["Write"]}"#;

#[test]
fn it_starts_on_nothing_answers_and_stops_in_order() {
    let home = Home::new();
    let mut daemon = home.start(&[]);
    assert_eq!(kind(&home.ask("no_such_tool")), "DENY");
    let status = home.status();
    assert_eq!(
        (status.state.as_str(), status.durability.as_str()),
        ("judging", "commit")
    );
    assert_eq!(status.profiles[0].source, "embedded");
    daemon.signal("-TERM");
    let (ended, told) = daemon.ended();
    assert_eq!(ended.code(), Some(0), "{told}");
    assert!(!home.socket().exists());
    home.assert_sound();
    let kinds: Vec<_> = home.records().iter().map(|record| record.kind).collect();
    assert_eq!(kinds.first(), Some(&RecordKind::Start));
    // The last checkpoint covers the stop.
    assert_eq!(
        kinds[kinds.len() - 2..],
        [RecordKind::Stop, RecordKind::Checkpoint]
    );
    assert!(kinds.contains(&RecordKind::Key));
    assert!(kinds.contains(&RecordKind::Policy) && kinds.contains(&RecordKind::Deny));
}

#[test]
fn a_reload_swaps_a_sound_policy_and_keeps_the_old_one_on_a_broken_one() {
    let home = Home::new();
    home.policy(ALLOW_READ);
    let daemon = home.start(&[]);
    let first = home.ask("Read");
    assert_eq!(kind(&first), "ALLOW");

    home.policy("{\n  \"allowed\": []\n}");
    daemon.signal("-HUP");
    let refused =
        |record: &Record| record.kind == RecordKind::Policy && record.subject == "refused";
    until("the refusal is not journaled", || {
        home.records().iter().any(refused)
    });
    let note = home
        .records()
        .iter()
        .find(|record| refused(record))
        .expect("there")
        .note
        .clone();
    assert!(note.contains("p.json:2:3: error:"), "{note}");
    let kept = home.ask("Read");
    assert_eq!((kind(&kept), kept.generation), ("ALLOW", first.generation));

    home.policy(ALLOW_WRITE);
    daemon.signal("-HUP");
    until("the new policy is not in force", || {
        home.status().generation == first.generation + 1
    });
    assert_eq!(kind(&home.ask("Read")), "DENY");
    let row = home
        .records()
        .into_iter()
        .rev()
        .find(|record| record.subject == "generation")
        .expect("there");
    assert_eq!(row.generation, first.generation + 1);
    assert!(row.policy.is_some());
}

#[test]
fn a_killed_daemon_leaves_a_sound_journal_and_starts_again_with_its_state() {
    let home = Home::new();
    home.policy(
        r#"{"version": "fak-policy/v1", "allow": ["Read"], "rate_limit": {"max_calls": 2}}"#,
    );
    let mut daemon = home.start(&[]);
    let acknowledged = home.ask("Read").seq;
    daemon.signal("-KILL");
    assert_eq!(daemon.ended().0.signal(), Some(9));
    home.assert_sound();
    assert!(
        home.records()
            .iter()
            .any(|record| record.seq == acknowledged)
    );

    let mut daemon = home.start(&[]);
    assert_eq!(kind(&home.ask("Read")), "ALLOW");
    let spent = home.ask("Read").verdict.expect("a verdict");
    assert_eq!(
        (spent.kind.as_str(), spent.reason.as_str()),
        ("DENY", "RATE_LIMITED")
    );
    assert_eq!(home.status().decided, 3);
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().0.code(), Some(0));

    // The third start reads the image the second one left.
    let _daemon = home.start(&[]);
    assert_eq!(home.status().decided, 3);
    assert_eq!(kind(&home.ask("Read")), "DENY");
    home.assert_sound();
}

#[test]
fn a_second_daemon_on_the_same_state_or_socket_is_told_so() {
    let home = Home::new();
    let _daemon = home.start(&[]);
    let (code, told) = home.fails(&["--socket", "/tmp/fakd-test-unused.sock"]);
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("is in use by process"), "{told}");
    let other = home.path("other");
    let (code, told) = home.fails(&["--state-dir", &other.display().to_string()]);
    assert_eq!(code, Some(73), "{told}");
    assert!(told.contains("another fakd listens there"), "{told}");
}

#[test]
fn what_is_unsound_ends_it_with_the_place_and_a_code() {
    let home = Home::new();
    home.policy("{\n  \"allow\": [\"Read\"],\n  \"posture\": \"maybe\"\n}");
    for args in [&["--check-config"][..], &[][..]] {
        let (code, told) = home.fails(args);
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains("p.json:3:"), "{told}");
    }
    fs::write(home.path("config/fak/fakd.toml"), "sockte = '/s'\n").expect("written");
    let (code, told) = home.fails(&["--check-config"]);
    assert_eq!(code, Some(78));
    assert!(
        told.contains("fakd.toml:1:1: error: unknown key `sockte`"),
        "{told}"
    );
    assert_eq!(home.fails(&["--no-such-option"]).0, Some(64));
    fs::remove_file(home.path("config/fak/fakd.toml")).expect("removed");
    home.policy(ALLOW_READ);
    let checked = home.command(&["--check-config"]).output().expect("ran");
    assert!(checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stdout).ends_with("the configuration is sound\n"));
    assert!(!home.journal().exists(), "a check changes nothing");
}

#[test]
fn a_state_directory_that_cannot_be_made_ends_it_with_74() {
    let home = Home::new();
    fs::write(home.path("state"), "in the way").expect("written");
    let (code, told) = home.fails(&[]);
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("cannot be made"), "{told}");
}

#[test]
fn a_reload_refuses_a_broken_configuration_too() {
    let home = Home::new();
    let daemon = home.start(&[]);
    assert_eq!(home.status().role, "admin");
    fs::create_dir_all(home.path("config/fak")).expect("made");
    fs::write(
        home.path("config/fak/fakd.toml"),
        "[acl.submit]\nusers = ['no-such-user']\n",
    )
    .expect("written");
    let before = home.status().generation;
    daemon.signal("-HUP");
    let refused = |record: &Record| record.subject == "refused";
    until("the refusal is not journaled", || {
        home.records().iter().any(refused)
    });
    assert_eq!(home.status().generation, before);
}

/// Reads messages of the notify socket until one holds `wanted`.
fn told(notify: &UnixDatagram, wanted: &str) {
    let mut all = String::new();
    let begun = Instant::now();
    while !all.contains(wanted) {
        assert!(begun.elapsed() < PATIENCE, "no {wanted} in:\n{all}");
        let mut message = [0_u8; 4096];
        let length = notify.recv(&mut message).expect("a message");
        all.push_str(&String::from_utf8_lossy(&message[..length]));
        all.push('\n');
    }
}

#[test]
fn the_service_manager_hears_of_each_step_and_of_every_sign_of_life() {
    let home = Home::new();
    let path = home.path("notify");
    let notify = UnixDatagram::bind(&path).expect("bound");
    notify.set_read_timeout(Some(PATIENCE)).expect("set");
    let child = home
        .command(&[])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .spawn()
        .expect("started");
    let mut daemon = Daemon(child);
    told(&notify, "READY=1");
    told(&notify, "WATCHDOG=1");
    told(&notify, "WATCHDOG=1");
    daemon.signal("-HUP");
    told(&notify, "RELOADING=1");
    told(&notify, "READY=1");
    daemon.signal("-INT");
    told(&notify, "STOPPING=1");
    assert_eq!(daemon.ended().0.code(), Some(0));
}

#[test]
fn an_emergency_survives_a_kill_with_its_deadline_and_ends_by_itself() {
    let home = Home::new();
    home.policy(ALLOW_READ);
    let disable = |seconds| {
        let request = EmergencyDisableRequest {
            reason: "the site is down".to_owned(),
            seconds,
        };
        home.runtime.block_on(async {
            let mut client = client(&home.socket()).await.expect("connected");
            let begun = client.emergency_disable(request).await.expect("begun");
            begun.into_inner().emergency.expect("told")
        })
    };
    let mut daemon = home.start(&[]);
    let begun = disable(3600);
    let used = home.ask("Write").verdict.expect("a verdict");
    assert_eq!(
        (
            used.kind.as_str(),
            used.by.as_str(),
            used.would_deny.as_str()
        ),
        ("ALLOW", "emergency", "DEFAULT_DENY")
    );
    daemon.signal("-KILL");
    daemon.ended();

    let mut daemon = home.start(&[]);
    let kept = home.status().emergency.expect("it holds");
    assert_eq!(
        (kept.until_us, kept.uses, kept.reason.as_str()),
        (begun.until_us, 1, "the site is down")
    );
    assert_eq!(kind(&home.ask("Write")), "ALLOW");

    // Over while fakd is down: the next start says so before it answers.
    disable(1);
    daemon.signal("-KILL");
    daemon.ended();
    thread::sleep(Duration::from_millis(1100));
    let _daemon = home.start(&[]);
    assert_eq!(kind(&home.ask("Write")), "DENY");
    assert_eq!(home.status().emergency, None);
    let ends = || {
        let ended = |record: &Record| {
            record.kind == RecordKind::Emergency
                && record.subject == "end"
                && record.note == "its time had passed"
        };
        home.records().into_iter().filter(ended).count()
    };
    assert_eq!(ends(), 1);

    // Over while fakd runs.
    disable(1);
    until("the end is not journaled", || ends() == 2);
    assert_eq!(kind(&home.ask("Write")), "DENY");
    home.assert_sound();
}

/// Whether what the page says is what a fold says.
fn assert_agree(counters: &BTreeMap<String, f64>, tally: &Tally) {
    let says = |name: &str| counters.get(name).copied().unwrap_or(0.0);
    let same = |name: &str, count: u64| assert_eq!(says(name), count as f64, "{name}");
    for (kind, reason, count) in tally.verdicts() {
        let name = format!("fak_verdicts_total{{kind=\"{kind}\",reason=\"{reason}\"}}");
        same(&name, count);
    }
    for (rule, count) in tally.rules() {
        same(&format!("fak_refusals_total{{rule=\"{rule}\"}}"), count);
    }
    let everything = "fak_verdict_duration_seconds_bucket{le=\"+Inf\"}";
    same(everything, tally.latency.count);
    let seconds = says("fak_verdict_duration_seconds_sum");
    same("fak_verdict_duration_seconds_count", tally.latency.count);
    assert!((seconds * 1e6 - tally.latency.sum_us as f64).abs() < 0.5);
    same(
        "fak_policy_loads_total{result=\"loaded\"}",
        tally.policies.loaded,
    );
    same(
        "fak_policy_loads_total{result=\"refused\"}",
        tally.policies.refused,
    );
    same("fak_emergencies_total", tally.emergencies.begun);
    same("fak_emergency_uses_total", tally.emergencies.uses);
    same("fak_starts_total", tally.starts);
    same("fak_checkpoints_total", tally.checkpoints.count);
}

#[test]
fn counters_are_the_journals_and_survive_a_kill() {
    let home = Home::new();
    home.policy(
        r#"{"version": "fak-policy/v1", "allow": ["Read", "Write"], "redact_fields": ["token"],
            "deny": {"Shred": "POLICY_BLOCK"}, "rate_limit": {"max_calls": 40, "key": "tool"}}"#,
    );
    for (round, durability) in [(1, "commit"), (2, "async")] {
        let mut daemon = home.start(&["--durability", durability]);
        let mut random = 88_172_645_463_325_252_u64;
        for _ in 0..150 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let tools = ["Read", "Write", "Shred", "Unheard", "bad\u{7}name"];
            home.ask(tools[usize::try_from(random % 5).expect("small")]);
        }
        home.runtime.block_on(async {
            let mut client = client(&home.socket()).await.expect("connected");
            let broken = PolicyLoadRequest {
                text: "{\"allowed\": []}".to_owned(),
                ..PolicyLoadRequest::default()
            };
            client.policy_load(broken).await.expect("answered");
            let emergency = EmergencyDisableRequest {
                reason: "a drill".to_owned(),
                seconds: 60,
            };
            client.emergency_disable(emergency).await.expect("begun");
        });
        home.ask("Shred");
        // Under `async` the last rows are still on their way.
        let asked = 151 * round;
        until("rows are missing", || home.folded().decided() == asked);
        until("a refused policy is missing", || {
            home.folded().policies.refused == round
        });
        let before = home.counters();
        assert_agree(&before, &home.folded());
        assert_eq!(home.status().decided, asked);
        daemon.signal("-KILL");
        daemon.ended();

        let _daemon = home.start(&[]);
        let after = home.counters();
        assert_agree(&after, &home.folded());
        let of_calls = |counters: &BTreeMap<String, f64>| {
            let mut kept = counters.clone();
            kept.retain(|name, _| {
                !name.starts_with("fak_starts")
                    && !name.starts_with("fak_policy")
                    && !name.starts_with("fak_checkpoints")
            });
            kept
        };
        assert_eq!(of_calls(&before), of_calls(&after));
        let refusals = home.status().recent_refusals;
        assert_eq!(refusals.len(), 10, "they are the journal's and survive too");
        assert!(refusals.windows(2).all(|pair| pair[0].seq > pair[1].seq));
    }
}
