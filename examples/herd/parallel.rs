//! Runs on all processors, results in order.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use crate::error::BoxError;

/// Does `work` for each item and hands the results to `each`, in the order of the items, as soon as they are there. Ends
/// with the first error of `each`.
pub(crate) fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut each: impl FnMut(&T, R) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        // The workers end when the receiver is gone, and the receiver when they are.
        let (done, results) = mpsc::channel();
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (done, next, work) = (done.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Relaxed);
                    let Some(item) = items.get(place) else { return };
                    if done.send((place, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut early = BTreeMap::new();
        for (place, item) in items.iter().enumerate() {
            while !early.contains_key(&place) {
                let (place, result) = results.recv()?;
                early.insert(place, result);
            }
            if let Some(result) = early.remove(&place) {
                each(item, result)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_items() {
        let items: Vec<u64> = (0..100).collect();
        let mut seen = Vec::new();
        // The first ones take longest.
        let work = |item: &u64| (0..(100 - item) * 1000).fold(*item, |sum, _| std::hint::black_box(sum));
        in_order(&items, work, |item, result| {
            seen.push((*item, result));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, items.iter().map(|item| (*item, *item)).collect::<Vec<_>>());
    }

    #[test]
    fn first_error_ends_the_work() {
        let mut seen = 0;
        let ended = in_order(
            &[1, 2, 3],
            |item| *item,
            |item, _| {
                seen = *item;
                if *item == 2 { Err("enough".into()) } else { Ok(()) }
            },
        );
        assert!(ended.is_err());
        assert_eq!(seen, 2);
    }
}
