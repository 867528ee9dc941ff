//! How a connection is closed without a response.

/// How a connection is closed without a response.
///
/// ```
/// use metronome_simulator::{Close, Fault, Moment};
///
/// assert_eq!(Fault::dropped(Close::Half, Moment::After).to_string(), "half-closed after");
/// assert_eq!("midway before".parse(), Ok(Fault::dropped(Close::Midway, Moment::Before)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// A FIN in both directions. The client sees an incomplete message.
    Orderly,
    /// A FIN in the response direction only. The server keeps reading until the client closes the connection.
    Half,
    /// A RST. The client sees a connection error.
    Reset,
    /// A RST after the status line of a 200.
    ///
    /// The status line is sent both before and after the effect, so it says nothing about the write: a client has no
    /// response until it has read the whole head.
    Midway,
}
