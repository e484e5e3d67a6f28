//! The scanner: bytes to the table of nodes.

use super::{DEPTH_CEILING, Kind, Limits, Malformed, Problem, number, text};

/// The index that is no node: the parent of the top level.
pub(super) const NO_NODE: u32 = u32::MAX;

/// Objects with at most this many members compare their names pairwise; larger ones sort hashes.
const PAIRWISE_MAX: u32 = 12;

/// Nodes reserved before reading; most calls hold fewer values.
const NODES_RESERVED: usize = 16;

/// One value's place in the text and in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// First byte of the value.
    pub(super) start: u32,
    /// One past the last byte of the value.
    pub(super) end: u32,
    /// First byte of the name, after its quote; 0 when the value is no member.
    pub(super) key_start: u32,
    /// One past the last byte of the name, before its quote.
    pub(super) key_end: u32,
    /// The first node that is not below this one.
    pub(super) after: u32,
    /// The container, or [`NO_NODE`].
    pub(super) parent: u32,
    /// The kind.
    pub(super) kind: Kind,
    /// The name holds an escape.
    pub(super) key_escaped: bool,
    /// The string holds an escape.
    pub(super) value_escaped: bool,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            start: 0,
            end: 0,
            key_start: 0,
            key_end: 0,
            after: 0,
            parent: NO_NODE,
            kind: Kind::Null,
            key_escaped: false,
            value_escaped: false,
        }
    }
}

impl Node {
    /// Whether the value is a member of an object. A name cannot start at byte 0.
    pub(super) const fn has_key(&self) -> bool {
        self.key_start != 0
    }
}

/// The content of a string or name, between its quotes.
#[derive(Clone, Copy, Default)]
struct Content {
    start: u32,
    end: u32,
    escaped: bool,
}

/// What the innermost open container may continue with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value or the end: just opened.
    First,
    /// A value: a comma was read.
    Value,
    /// A comma or the end.
    Separator,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    nodes: Vec<Node>,
    /// The innermost open container, its kind, and how many are open.
    open: u32,
    open_kind: Kind,
    depth: usize,
    depth_max: usize,
    values_max: usize,
}

/// Reads the whole text; the empty text is an empty object.
pub(super) fn scan(text: &str, limits: &Limits) -> Result<Vec<Node>, Malformed> {
    let bytes_max = limits.bytes_max.min(NO_NODE as usize - 1);
    if text.len() > bytes_max {
        return Err(Malformed {
            at: bytes_max,
            problem: Problem::TooLong,
        });
    }
    if text.is_empty() {
        return Ok(vec![Node {
            kind: Kind::Object,
            after: 1,
            ..Node::default()
        }]);
    }
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        text,
        at: 0,
        nodes: Vec::with_capacity(NODES_RESERVED),
        open: NO_NODE,
        open_kind: Kind::Null,
        depth: 0,
        depth_max: limits.depth_max.min(DEPTH_CEILING),
        values_max: limits.values_max,
    };
    scanner.document()?;
    Ok(scanner.nodes)
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Malformed> {
        match self.peek_token() {
            Some(b'{') => self.open(Kind::Object, Content::default())?,
            Some(_) => return Err(self.problem(Problem::NotAnObject)),
            None => return Err(self.syntax("the text ends before an object")),
        }
        let mut expect = Expect::First;
        while self.open != NO_NODE {
            expect = self.step(expect)?;
        }
        match self.peek_token() {
            None => Ok(()),
            Some(_) => Err(self.problem(Problem::TrailingData)),
        }
    }

    /// Reads one separator, one end, or one (named) value of the innermost container.
    fn step(&mut self, expect: Expect) -> Result<Expect, Malformed> {
        let Some(byte) = self.peek_token() else {
            return Err(self.syntax("the text ends inside an object or array"));
        };
        let closer = if self.open_kind == Kind::Object {
            b'}'
        } else {
            b']'
        };
        if byte == closer {
            if expect == Expect::Value {
                return Err(self.syntax("a comma before the end"));
            }
            self.close()?;
            return Ok(Expect::Separator);
        }
        if expect == Expect::Separator {
            if byte != b',' {
                return Err(self.syntax("expected a comma or the end of the object or array"));
            }
            self.at += 1;
            return Ok(Expect::Value);
        }
        if self.open_kind == Kind::Array {
            return self.value(byte, Content::default());
        }
        if byte != b'"' {
            return Err(self.syntax("expected a name in double quotes"));
        }
        let name = self.string()?;
        if self.peek_token() != Some(b':') {
            return Err(self.syntax("expected a colon after the name"));
        }
        self.at += 1;
        match self.peek_token() {
            Some(byte) => self.value(byte, name),
            None => Err(self.syntax("the text ends before a value")),
        }
    }

    fn value(&mut self, byte: u8, name: Content) -> Result<Expect, Malformed> {
        let start = self.at;
        let mut value_escaped = false;
        let kind = match byte {
            b'"' => {
                value_escaped = self.string()?.escaped;
                Kind::String
            }
            b'{' => {
                self.open(Kind::Object, name)?;
                return Ok(Expect::First);
            }
            b'[' => {
                self.open(Kind::Array, name)?;
                return Ok(Expect::First);
            }
            b'-' | b'0'..=b'9' => {
                self.at = number::scan(self.bytes, start)?;
                Kind::Number
            }
            b't' => self.word("true", Kind::Bool)?,
            b'f' => self.word("false", Kind::Bool)?,
            b'n' => self.word("null", Kind::Null)?,
            _ => return Err(self.syntax("expected a value")),
        };
        self.push(start, kind, name, value_escaped)?;
        Ok(Expect::Separator)
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.syntax("expected a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn open(&mut self, kind: Kind, name: Content) -> Result<(), Malformed> {
        if self.depth >= self.depth_max {
            return Err(self.problem(Problem::TooDeep));
        }
        let index = self.push(self.at, kind, name, false)?;
        self.at += 1;
        self.depth += 1;
        self.open = index;
        self.open_kind = kind;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        self.depth -= 1;
        let index = self.open;
        let after = narrow(self.nodes.len());
        let end = narrow(self.at);
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return Err(self.syntax("an end without a beginning"));
        };
        node.after = after;
        node.end = end;
        self.open = node.parent;
        if node.kind == Kind::Object {
            self.refuse_duplicates(index, after)?;
        }
        self.open_kind = self
            .nodes
            .get(self.open as usize)
            .map_or(Kind::Null, |node| node.kind);
        Ok(())
    }

    /// Adds a node that ends at the present position; containers are completed by `close`.
    fn push(
        &mut self,
        start: usize,
        kind: Kind,
        name: Content,
        value_escaped: bool,
    ) -> Result<u32, Malformed> {
        let index = self.nodes.len();
        if index >= self.values_max {
            return Err(Malformed {
                at: start,
                problem: Problem::TooMany,
            });
        }
        self.nodes.push(Node {
            start: narrow(start),
            end: narrow(self.at),
            key_start: name.start,
            key_end: name.end,
            after: narrow(index + 1),
            parent: self.open,
            kind,
            key_escaped: name.escaped,
            value_escaped,
        });
        Ok(narrow(index))
    }

    /// Reads a string at its opening quote; leaves the position after the closing one.
    fn string(&mut self) -> Result<Content, Malformed> {
        let start = self.at + 1;
        let mut escaped = false;
        self.at = start;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += text::plain_run(rest);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(Content {
                        start: narrow(start),
                        end: narrow(end),
                        escaped,
                    });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at = text::skip_escape(self.bytes, self.at)?;
                }
                Some(_) => return Err(self.syntax("a control character inside a string")),
                None => return Err(self.syntax("the text ends inside a string")),
            }
        }
    }

    /// Skips white space and looks at the next byte.
    fn peek_token(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at).copied() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                byte => return byte,
            }
        }
    }

    const fn problem(&self, problem: Problem) -> Malformed {
        Malformed {
            at: self.at,
            problem,
        }
    }

    const fn syntax(&self, what: &'static str) -> Malformed {
        self.problem(Problem::Syntax(what))
    }

    fn members(&self, object: u32, after: u32) -> impl Iterator<Item = (u32, &Node)> {
        let mut next = object + 1;
        std::iter::from_fn(move || {
            if next >= after {
                return None;
            }
            let index = next;
            let node = self.nodes.get(index as usize)?;
            next = node.after;
            Some((index, node))
        })
    }

    fn refuse_duplicates(&self, object: u32, after: u32) -> Result<(), Malformed> {
        if after - object <= 2 {
            return Ok(());
        }
        let mut plain = true;
        let mut count = 0_u32;
        for (_, node) in self.members(object, after) {
            plain &= !node.key_escaped;
            count += 1;
        }
        let second = if plain && count <= PAIRWISE_MAX {
            self.first_repeat_pairwise(object, after)
        } else {
            self.first_repeat_sorted(object, after)
        };
        match second {
            Some(key_start) => Err(Malformed {
                at: key_start as usize - 1,
                problem: Problem::DuplicateKey,
            }),
            None => Ok(()),
        }
    }

    fn name_bytes(&self, node: &Node) -> &[u8] {
        self.bytes
            .get(node.key_start as usize..node.key_end as usize)
            .unwrap_or_default()
    }

    fn first_repeat_pairwise(&self, object: u32, after: u32) -> Option<u32> {
        self.members(object, after)
            .skip(1)
            .find_map(|(index, node)| {
                let name = self.name_bytes(node);
                self.members(object, index)
                    .any(|(_, earlier)| self.name_bytes(earlier) == name)
                    .then_some(node.key_start)
            })
    }

    /// Sorts by a hash of the decoded name, then compares names only among equal hashes. Names chosen
    /// to collide cost a sort of the names, never a quadratic comparison.
    fn first_repeat_sorted(&self, object: u32, after: u32) -> Option<u32> {
        let decoded = |node: &Node| {
            let content = self
                .text
                .get(node.key_start as usize..node.key_end as usize);
            text::decode(content.unwrap_or_default(), node.key_escaped)
        };
        let mut hashes: Vec<(u64, u32)> = self
            .members(object, after)
            .map(|(index, node)| (text::hash(decoded(node).as_bytes()), index))
            .collect();
        hashes.sort_unstable();
        let mut first: Option<u32> = None;
        for run in hashes
            .chunk_by(|left, right| left.0 == right.0)
            .filter(|run| run.len() > 1)
        {
            let mut names: Vec<_> = run
                .iter()
                .filter_map(|&(_, index)| self.nodes.get(index as usize))
                .map(|node| (decoded(node), node.key_start))
                .collect();
            names.sort_unstable();
            let repeats = names.windows(2).filter_map(|pair| match pair {
                [left, right] if left.0 == right.0 => Some(right.1),
                _ => None,
            });
            first = repeats.chain(first).min();
        }
        first
    }
}

/// Positions and counts are below 2^32 because [`scan`] refuses longer texts.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(NO_NODE)
}
