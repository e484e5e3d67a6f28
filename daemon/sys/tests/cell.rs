//! What a process in a cell cannot do.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixListener, UnixStream},
    path::Path,
    process::Command,
    thread,
};

use fak_sys::Cell;

/// Names the directory of the process that is closed in.
const INSIDE: &str = "FAK_TEST_CELL";

/// What was tried, and whether it was possible.
fn ways(dir: &Path, mut open: UnixStream) -> Vec<(&'static str, bool)> {
    let mut byte = [0];
    let kept = dir.join("kept");
    vec![
        ("read a file", fs::read(&kept).is_ok()),
        ("list a directory", fs::read_dir(dir).is_ok()),
        ("write a file", fs::write(dir.join("new"), b"x").is_ok()),
        ("remove a file", fs::remove_file(&kept).is_ok()),
        ("make a directory", fs::create_dir(dir.join("dir")).is_ok()),
        ("look at a file", fs::metadata(&kept).is_ok()),
        (
            "connect over TCP",
            TcpStream::connect("127.0.0.1:1").is_ok(),
        ),
        ("listen over TCP", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("send over UDP", UdpSocket::bind("127.0.0.1:0").is_ok()),
        (
            "listen on a path",
            UnixListener::bind(dir.join("socket")).is_ok(),
        ),
        ("make a datagram socket", UnixDatagram::unbound().is_ok()),
        ("make a pair of sockets", UnixStream::pair().is_ok()),
        ("run a program", Command::new("/bin/true").status().is_ok()),
        (
            "start a thread",
            thread::Builder::new().spawn(|| ()).is_ok(),
        ),
        ("signal its parent", signals_its_parent()),
        // What is open stays open: this is what a cell is for.
        (
            "talk over what is open",
            open.write_all(b"y").is_ok() && open.read_exact(&mut byte).is_ok(),
        ),
    ]
}

/// Signal 0 to the parent: allowed to anybody of the same user outside a cell.
fn signals_its_parent() -> bool {
    use nix::{sys::signal::kill, unistd::getppid};
    kill(getppid(), None).is_ok()
}

fn inside(dir: &Path) {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    theirs.write_all(b"x").expect("written");
    let kept = dir.join("kept");
    // Threads that run before the files are shut are closed in by the second step.
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let early = thread::spawn(move || {
        let _ = receive.recv();
        fs::read(kept).is_ok() || UnixStream::pair().is_ok()
    });
    let cell = Cell::shut_files().expect("files shut");
    cell.shut_calls().expect("calls shut");
    drop(send);
    let escaped = early.join().expect("an answer");
    let possible = ways(dir, ours).into_iter().filter(|(_, was)| *was);
    let possible: Vec<_> = possible.map(|(way, _)| way).collect();
    let said = format!("possible: {possible:?}, to an early thread: {escaped}\n");
    std::io::stdout().write_all(said.as_bytes()).expect("said");
}

#[test]
fn nothing_leads_out_of_a_cell() {
    if let Some(dir) = std::env::var_os(INSIDE) {
        return inside(Path::new(&dir));
    }
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("kept"), b"x").expect("written");
    let output = Command::new(std::env::current_exe().expect("a program"))
        .args([
            "--exact",
            "nothing_leads_out_of_a_cell",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(INSIDE, dir.path())
        .output()
        .expect("ran");
    let text = String::from_utf8_lossy(&output.stdout);
    let wanted = "possible: [\"talk over what is open\"], to an early thread: false";
    assert!(
        text.contains(wanted),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(dir.path().join("kept").exists());
}
