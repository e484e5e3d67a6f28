//! Frames: four bytes of length, little-endian, then one word in postcard.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// Longest frame, in bytes. LIMIT: a longer one is refused before anything of it is read.
pub const FRAME_BYTES_MAX: usize = 40 << 20;

/// Why a frame was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side is gone.
    #[error("the other side is gone")]
    Gone,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Io(#[from] io::Error),
    /// A frame of this many bytes is too long.
    #[error("a frame of {0} bytes, at most {FRAME_BYTES_MAX} are taken")]
    TooLong(usize),
    /// The bytes are no word of this protocol, or more than one.
    #[error("a frame that is no word of the protocol")]
    Unknown,
}

/// Words in frames over a stream.
pub trait Frame: Serialize + DeserializeOwned {
    /// Writes one frame.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is then of no more use.
    fn write_to(&self, stream: &mut impl Write) -> Result<(), FrameError> {
        let body = postcard::to_stdvec(self).map_err(|_| FrameError::Unknown)?;
        if body.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(body.len()));
        }
        let len = u32::try_from(body.len()).map_err(|_| FrameError::TooLong(body.len()))?;
        let mut frame = len.to_le_bytes().to_vec();
        frame.extend_from_slice(&body);
        stream.write_all(&frame)?;
        Ok(())
    }

    /// Reads one frame. Memory grows with what arrives, not with what is announced.
    ///
    /// # Errors
    /// [`FrameError::Gone`] at the end of the stream, between frames or inside one.
    fn read_from(stream: &mut impl Read) -> Result<Self, FrameError> {
        let mut len = [0; 4];
        whole(stream.read_exact(&mut len))?;
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
        if len > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(len));
        }
        let mut body = Vec::new();
        let most = u64::try_from(len).unwrap_or(u64::MAX);
        whole(stream.take(most).read_to_end(&mut body).map(drop))?;
        if body.len() < len {
            return Err(FrameError::Gone);
        }
        match postcard::take_from_bytes(&body) {
            Ok((word, [])) => Ok(word),
            _ => Err(FrameError::Unknown),
        }
    }
}

impl Frame for crate::words::Ask {}
impl Frame for crate::words::Tell {}

fn whole(read: io::Result<()>) -> Result<(), FrameError> {
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => FrameError::Gone,
        _ => FrameError::Io(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Ask, Tell};

    #[test]
    fn what_was_written_is_read_and_nothing_else_is() {
        let tell = Tell::Token {
            id: 7,
            token: 3,
            text: "é".to_owned(),
        };
        let mut bytes = Vec::new();
        tell.write_to(&mut bytes).expect("written");
        let first = bytes.len();
        Ask::Cancel(9).write_to(&mut bytes).expect("written");
        let mut stream = bytes.as_slice();
        assert_eq!(Tell::read_from(&mut stream).expect("read"), tell);
        assert_eq!(Ask::read_from(&mut stream).expect("read"), Ask::Cancel(9));
        assert!(matches!(Ask::read_from(&mut stream), Err(FrameError::Gone)));
        for cut in 0..first {
            let mut stream = bytes.get(..cut).expect("a part");
            assert!(Tell::read_from(&mut stream).is_err(), "{cut}");
        }
        let long = u32::MAX.to_le_bytes();
        assert!(matches!(
            Ask::read_from(&mut long.as_slice()),
            Err(FrameError::TooLong(_))
        ));
        let mut trailing = vec![3, 0, 0, 0];
        trailing.extend_from_slice(&[2, 9, 0]);
        assert!(matches!(
            Ask::read_from(&mut trailing.as_slice()),
            Err(FrameError::Unknown)
        ));
        let unknown = [1, 0, 0, 0, 99];
        assert!(matches!(
            Ask::read_from(&mut unknown.as_slice()),
            Err(FrameError::Unknown)
        ));
    }
}
