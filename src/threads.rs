//! A bounded queue and the threads that serve it: how blocking work leaves the event loop.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// The processors there are; two where the system does not tell.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Why an item was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room.
    Full,
    /// The threads are ending.
    Closed,
}

/// A bounded queue and the threads that serve it. Dropping it lets them finish what they hold.
pub(crate) struct Threads<T> {
    sender: Option<Sender<T>>,
    handles: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static> Threads<T> {
    /// Starts `count` threads that each run `serve` until the queue has closed and is empty.
    pub(crate) fn start<F>(name: &str, count: usize, capacity: usize, serve: F) -> std::io::Result<Self>
    where
        F: Fn(Receiver<T>) + Clone + Send + 'static,
    {
        let (sender, receiver) = bounded(capacity);
        let mut handles = Vec::with_capacity(count);
        for number in 0..count {
            let (serve, receiver) = (serve.clone(), receiver.clone());
            let builder = std::thread::Builder::new().name(format!("{name}-{number}"));
            handles.push(builder.spawn(move || serve(receiver))?);
        }
        Ok(Self { sender: Some(sender), handles })
    }

    /// How many items wait.
    pub(crate) fn waiting(&self) -> usize {
        self.sender.as_ref().map_or(0, Sender::len)
    }

    /// Queues an item, or says at once why not.
    pub(crate) fn admit(&self, item: T) -> Result<(), Refused> {
        match self.sender.as_ref().map(|sender| sender.try_send(item)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(Refused::Full),
            _ => Err(Refused::Closed),
        }
    }
}

impl<T> Drop for Threads<T> {
    fn drop(&mut self) {
        self.sender = None;
        for handle in self.handles.drain(..) {
            if handle.thread().id() != std::thread::current().id() && handle.join().is_err() {
                log::error!("a thread had panicked");
            }
        }
    }
}
