//! The worker's end.

use std::{
    io,
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use fak_engine::{
    Finish, KvPages, LoadOptions, Model, PageList, Request, Runner, Sampler, Source, Text,
};
use fak_gguf::{Gguf, ModelConfig};
use fak_simd::{Compute, FAMILY, KvKind, PAGE_TOKENS};
use fak_sys::{Cell, CellError, MappedFile};
use fak_token::{Chat, ChatTemplate, Specials, Start, Tokenizer};

use crate::{
    frame::{Frame as _, FrameError},
    words::{Ask, Finished, Generate, Info, KvNumbers, Load, Prompt, Tell},
};

/// Asks that wait while an answer is made. LIMIT: the parent's next frame waits in the socket.
const ASKS_MAX: usize = 64;

/// No answer has this id when it is cancelled.
const NOBODY: u64 = u64::MAX;

/// Why a worker ends.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It was not started as a worker: standard input must be a socket, standard output the model's file.
    #[error(
        "a worker is started by fakd, with a socket as standard input and a model as standard output: {0}"
    )]
    Start(io::Error),
    /// It could not close itself in.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// The parent broke the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A model that is loaded, and what speaks its language.
struct Loaded {
    model: Model,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    memory_bytes_left: u64,
}

/// Closes the process in and answers its parent until that is gone.
///
/// # Errors
/// [`ServeError`]. The parent being gone is no error.
pub fn serve(threads: usize) -> Result<(), ServeError> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let mut socket = UnixStream::from(socket.map_err(ServeError::Start)?);
    let file = std::io::stdout().as_fd().try_clone_to_owned();
    let map =
        MappedFile::of(&file.map_err(ServeError::Start)?.into()).map_err(ServeError::Start)?;
    let cell = Cell::shut_files()?;
    let mut runner = Runner::new(Compute::new(threads));
    let cancelled = Arc::new(AtomicU64::new(NOBODY));
    let asks = listen(
        socket.try_clone().map_err(ServeError::Start)?,
        Arc::clone(&cancelled),
    )
    .map_err(ServeError::Start)?;
    cell.shut_calls()?;
    Tell::Ready.write_to(&mut socket)?;
    let mut loaded = None;
    for ask in asks {
        match ask {
            Ok(Ask::Load(load)) => {
                let tell = match open(&map, &load, &mut runner) {
                    Ok((model, info)) => {
                        loaded = Some(model);
                        Tell::Loaded(info)
                    }
                    Err(why) => Tell::Failed { id: None, why },
                };
                tell.write_to(&mut socket)?;
            }
            Ok(Ask::Generate(request)) => {
                let id = request.id;
                let made = match &loaded {
                    Some(loaded) => answer(loaded, &mut runner, request, &cancelled, &mut socket),
                    None => Err("no model is loaded".to_owned()),
                };
                let tell = made.unwrap_or_else(|why| Tell::Failed { id: Some(id), why });
                tell.write_to(&mut socket)?;
            }
            Ok(Ask::Cancel(_)) => {}
            Err(FrameError::Gone) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads asks on a thread of its own, so that a cancel is heard while an answer is made.
fn listen(
    mut socket: UnixStream,
    cancelled: Arc<AtomicU64>,
) -> io::Result<Receiver<Result<Ask, FrameError>>> {
    let (send, asks) = sync_channel(ASKS_MAX);
    let reading = move || {
        loop {
            let ask = Ask::read_from(&mut socket);
            if let Ok(Ask::Cancel(id)) = ask {
                cancelled.store(id, Ordering::Relaxed);
            }
            let is_last = ask.is_err();
            if send.send(ask).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("asks".to_owned())
        .spawn(reading)?;
    Ok(asks)
}

fn open(bytes: &[u8], load: &Load, runner: &mut Runner) -> Result<(Loaded, Info), String> {
    let told = |error: &dyn std::error::Error| error.to_string();
    let file = Gguf::parse(bytes).map_err(|error| told(&error))?;
    let config = ModelConfig::from_gguf(&file).map_err(|error| told(&error))?;
    let tokenizer = Tokenizer::from_gguf(&file).map_err(|error| told(&error))?;
    let template = config.chat_template.as_deref().map(ChatTemplate::compile);
    let template = template.transpose().map_err(|error| told(&error))?;
    let options = LoadOptions {
        kv: match load.kv {
            KvNumbers::F32 => KvKind::F32,
            KvNumbers::F16 => KvKind::F16,
            KvNumbers::Q8 => KvKind::Q8,
        },
        rows_max: usize::try_from(load.rows_max).unwrap_or(usize::MAX),
        context: load.context,
        memory_bytes_max: load.memory_bytes_max,
    };
    let isa = runner.compute().isa().name().to_owned();
    let model = Model::load(
        &config,
        Source::Gguf(&file),
        &options,
        runner.compute().pool(),
    )
    .map_err(|error| told(&error))?;
    let plan = model.memory();
    let info = Info {
        architecture: config.architecture.name().to_owned(),
        layers: config.layers,
        vocab: config.vocab,
        context: load.context.unwrap_or(config.context),
        weight_bytes: plan.weight_bytes,
        kv_token_bytes: plan.kv_token_bytes,
        kernels: FAMILY.to_owned(),
        isa,
        chats: template.is_some(),
    };
    let used = plan.weight_bytes.saturating_add(plan.scratch_bytes);
    let loaded = Loaded {
        model,
        tokenizer,
        template,
        memory_bytes_left: load.memory_bytes_max.saturating_sub(used),
    };
    Ok((loaded, info))
}

/// Makes one answer and yields its last word.
fn answer(
    loaded: &Loaded,
    runner: &mut Runner,
    request: Generate,
    cancelled: &AtomicU64,
    socket: &mut UnixStream,
) -> Result<Tell, String> {
    let Generate {
        id,
        prompt,
        sampling,
        tokens_max,
    } = request;
    let prompt = loaded.tokens(&prompt)?;
    let mut sampler = Sampler::new(sampling.into()).map_err(|error| error.to_string())?;
    let mut pages = loaded.pages(prompt.len(), tokens_max)?;
    let mut list = PageList::new();
    let mut text = loaded
        .tokenizer
        .detokenizer(Start::Continuation, Specials::Text);
    let mut broken = None;
    let mut tokens = 0;
    let mut each = |token: u32| {
        tokens += 1;
        let tell = Tell::Token {
            id,
            token,
            text: text.push(token).unwrap_or_default(),
        };
        broken = tell.write_to(socket).err();
        broken.is_none() && cancelled.load(Ordering::Relaxed) != id
    };
    let asked = Request {
        prompt: &prompt,
        stop: &loaded.model.config().tokens.eos,
        tokens_max: usize::try_from(tokens_max).unwrap_or(usize::MAX),
    };
    let place = Text {
        pages: &mut pages,
        list: &mut list,
    };
    let finish = runner
        .generate(&loaded.model, place, &asked, &mut sampler, &mut each)
        .map_err(|error| error.to_string())?;
    if let Some(error) = broken {
        return Err(error.to_string());
    }
    Ok(Tell::Done {
        id,
        finished: match finish {
            Finish::Stop => Finished::Stop,
            Finish::Length => Finished::Length,
            Finish::Context => Finished::Context,
            Finish::Caller => Finished::Cancelled,
        },
        text: text.finish(),
        prompt_tokens: u32::try_from(prompt.len()).unwrap_or(u32::MAX),
        tokens,
    })
}

impl Loaded {
    fn tokens(&self, prompt: &Prompt) -> Result<Vec<u32>, String> {
        let (text, specials) = match prompt {
            Prompt::Tokens(tokens) => {
                let vocab = self.model.vocab();
                let is_known = |token: &u32| usize::try_from(*token).is_ok_and(|at| at < vocab);
                return match tokens.iter().position(|token| !is_known(token)) {
                    None => Ok(tokens.clone()),
                    Some(at) => Err(format!("prompt: token {at} is none of the model's {vocab}")),
                };
            }
            Prompt::Text(text) => (text.clone(), Specials::Text),
            Prompt::Chat { messages, tools } => {
                (self.chat(messages, tools.as_deref())?, Specials::Parse)
            }
        };
        let encoded = self.tokenizer.encode(&text, specials);
        let encoded = encoded.map_err(|error| error.to_string())?;
        let is_chat = specials == Specials::Parse;
        // A template writes the tokens around a text itself.
        let before = if is_chat {
            &[]
        } else {
            self.tokenizer.prefix()
        };
        Ok([before, &encoded].concat())
    }

    fn chat(&self, messages: &str, tools: Option<&str>) -> Result<String, String> {
        let template = self.template.as_ref();
        let template = template.ok_or("the model has no template for conversations")?;
        let tokens = &self.model.config().tokens;
        let name = |token: Option<u32>| {
            let found = self.tokenizer.token(token?)?;
            String::from_utf8(found.bytes.to_vec()).ok()
        };
        let (bos, eos) = (name(tokens.bos), name(tokens.eos.first().copied()));
        let chat = Chat {
            messages,
            tools,
            generation_prompt: true,
            bos_token: bos.as_deref(),
            eos_token: eos.as_deref(),
            ..Chat::default()
        };
        template.render(&chat).map_err(|error| error.to_string())
    }

    /// Room for the keys and values of a text.
    fn pages(&self, prompt: usize, tokens_max: u32) -> Result<KvPages, String> {
        let layout = self.model.kv_layout();
        let context = usize::try_from(self.model.config().context).unwrap_or(usize::MAX);
        let tokens_max = usize::try_from(tokens_max).unwrap_or(usize::MAX);
        let tokens = prompt.saturating_add(tokens_max).min(context.max(prompt));
        let count = tokens.div_ceil(PAGE_TOKENS).saturating_add(1);
        let page_bytes = u64::try_from(layout.page_bytes()).unwrap_or(u64::MAX);
        let bytes = page_bytes.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
        if bytes > self.memory_bytes_left {
            return Err(format!(
                "a text of {tokens} tokens takes {bytes} bytes of keys and values, and {} are left; ask for fewer",
                self.memory_bytes_left
            ));
        }
        Ok(KvPages::new(&layout, count))
    }
}
