//! The parent's end of a worker.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    frame::{Frame as _, FrameError},
    words::{Ask, Generate, Info, Load, Tell},
};

/// Why a worker did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be started.
    #[error("the worker cannot be started: {0}")]
    Start(io::Error),
    /// It could not close itself in, or died; its own words are in its standard error.
    #[error("the worker is gone: {0}")]
    Lost(FrameError),
    /// It said something else than was to be said next.
    #[error("the worker broke the protocol")]
    Confused,
    /// It cannot do what was asked.
    #[error("{0}")]
    Refused(String),
}

/// A running worker. Dropped, it is killed.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    socket: UnixStream,
}

impl Worker {
    /// Starts the program at `program` with the model's file, and waits until it has closed itself in. The worker has this
    /// process's standard error, and no environment.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn start(program: &Path, model: File, threads: usize) -> Result<Self, WorkerError> {
        let (socket, theirs) = UnixStream::pair().map_err(WorkerError::Start)?;
        let child = Command::new(program)
            .arg(threads.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(model))
            .spawn()
            .map_err(WorkerError::Start)?;
        let mut worker = Self { child, socket };
        match worker.hear()? {
            Tell::Ready => Ok(worker),
            _ => Err(WorkerError::Confused),
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it load the model.
    ///
    /// # Errors
    /// [`WorkerError::Refused`] says what is wrong with the file, or that it does not fit.
    pub fn load(&mut self, load: Load) -> Result<Info, WorkerError> {
        self.ask(&Ask::Load(load))?;
        match self.hear()? {
            Tell::Loaded(info) => Ok(info),
            Tell::Failed { why, .. } => Err(WorkerError::Refused(why)),
            _ => Err(WorkerError::Confused),
        }
    }

    /// Has it answer. `each` is told every tell as it comes, the last one too; `false` cancels the answer.
    ///
    /// # Errors
    /// [`WorkerError`]. After [`WorkerError::Lost`] another worker, asked the same, tells the same.
    pub fn generate(
        &mut self,
        request: Generate,
        each: &mut dyn FnMut(&Tell) -> bool,
    ) -> Result<(), WorkerError> {
        let wanted = request.id;
        self.ask(&Ask::Generate(request))?;
        let mut cancelled = false;
        loop {
            let tell = self.hear()?;
            match &tell {
                Tell::Token { id, .. } if *id == wanted => {
                    if !cancelled && !each(&tell) {
                        self.ask(&Ask::Cancel(wanted))?;
                        cancelled = true;
                    }
                }
                Tell::Done { id, .. } if *id == wanted => {
                    each(&tell);
                    return Ok(());
                }
                Tell::Failed { why, .. } => return Err(WorkerError::Refused(why.clone())),
                _ => return Err(WorkerError::Confused),
            }
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<(), WorkerError> {
        ask.write_to(&mut self.socket).map_err(WorkerError::Lost)
    }

    fn hear(&mut self) -> Result<Tell, WorkerError> {
        Tell::read_from(&mut self.socket).map_err(WorkerError::Lost)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already; then there is only the process to be collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
