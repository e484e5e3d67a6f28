//! Where rows go: the segment of a new span, and the pages of new tokens.

use crate::{
    command::{Command, Copy},
    error::KvError,
    page::Pages,
    sequence::{Segment, Sequence},
    words::{PAGE_TOKENS, PageId, Place, Token},
};

/// The segment a new span goes to; makes it when there is none.
pub(crate) fn segment_for(sequence: &mut Sequence, place: Place) -> Result<u32, KvError> {
    let last = sequence.segments.last();
    let group = last.and_then(|segment| segment.group);
    let fresh = match (place, last) {
        (Place::Join, _) if group.is_none() => return Err(KvError::NoGroup),
        (Place::Next, Some(_)) => None,
        (Place::Next, None) => Some((None, 0)),
        (Place::Join, _) => Some((None, group_end(&sequence.segments))),
        (Place::Isolated, _) => {
            let base = match (group, last) {
                (Some(_), Some(last)) => last.base,
                (None, last) => last.map_or(0, Segment::end),
                (Some(_), None) => 0,
            };
            let group = group.unwrap_or_else(|| {
                sequence.groups += 1;
                sequence.groups
            });
            Some((Some(group), base))
        }
    };
    if let Some((group, base)) = fresh {
        sequence.segments.push(Segment {
            group,
            base,
            len: 0,
            computed: 0,
            pages: Vec::new(),
        });
    }
    let count = u32::try_from(sequence.segments.len()).map_err(|_| KvError::Bound("SPANS_MAX"))?;
    count.checked_sub(1).ok_or(KvError::Broken("no segment"))
}

/// Where the trunk goes on behind the last group: at the end of its longest member.
pub(crate) fn group_end(segments: &[Segment]) -> u32 {
    let group = segments.last().and_then(|segment| segment.group);
    let members = segments
        .iter()
        .rev()
        .take_while(|segment| segment.group == group);
    members.map(Segment::end).max().unwrap_or(0)
}

/// Puts tokens on pages for one principal.
pub(crate) struct Writer<'a> {
    pub(crate) pages: &'a mut Pages,
    pub(crate) principal: u32,
    pub(crate) tag: u16,
}

impl Writer<'_> {
    /// Adds rows to a segment. There must be room.
    pub(crate) fn extend(
        &mut self,
        segment: &mut Segment,
        tokens: &[Token],
        outbox: &mut Vec<Command>,
    ) -> Result<Vec<Command>, KvError> {
        let mut commands = Vec::new();
        let mut rest = tokens;
        while !rest.is_empty() {
            let row = segment.len % PAGE_TOKENS;
            let page = match segment.pages.last().copied().filter(|_| row != 0) {
                Some(page) if self.pages.refs(page) == 1 => page,
                Some(page) => {
                    let own = self.replace(segment, page, row, &mut commands)?;
                    self.pages.release(page, outbox);
                    own
                }
                None => {
                    let page = self.take()?;
                    segment.pages.push(page);
                    page
                }
            };
            let fits = rest.len().min((PAGE_TOKENS - row) as usize);
            let (now, later) = rest.split_at_checked(fits).unwrap_or((rest, &[]));
            self.pages.write(page, row, now);
            segment.len += u32::try_from(now.len()).unwrap_or(0);
            rest = later;
        }
        Ok(commands)
    }

    /// Puts a copy of its first rows in the place of a segment's last page. The caller releases the page after that.
    pub(crate) fn replace(
        &mut self,
        segment: &mut Segment,
        page: PageId,
        rows: u32,
        commands: &mut Vec<Command>,
    ) -> Result<PageId, KvError> {
        let own = self.take()?;
        self.pages.copy(page, own, rows);
        if self.pages.is_secret(page) {
            self.pages.mark_secret(own);
        }
        commands.push(Command::Copy(Copy {
            from: page,
            from_row: 0,
            to: own,
            to_row: 0,
            rows,
            shift: 0,
        }));
        if let Some(last) = segment.pages.last_mut() {
            *last = own;
        }
        Ok(own)
    }

    fn take(&mut self) -> Result<PageId, KvError> {
        self.pages
            .take(self.principal, self.tag)
            .ok_or(KvError::Broken("room was made"))
    }
}
