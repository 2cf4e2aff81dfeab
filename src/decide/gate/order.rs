//! Who comes before whom, and how many come before somebody: a sorted list in pieces, since a tree cannot count.
//! Knows deadlines and names; must not know what anybody waits for.

use std::sync::Arc;

use chrono::{DateTime, Utc};

/// A deadline, and whose it is.
pub(super) type Place = (DateTime<Utc>, Arc<str>);

/// A piece that has grown to this is cut in half: of a million there are some thousand pieces, whose lengths are added
/// in a few microseconds.
const PIECE: usize = 1024;

/// Sorted; no piece is empty.
#[derive(Debug, Default)]
pub(super) struct Order {
    pieces: Vec<Vec<Place>>,
    len: usize,
}

impl Order {
    pub(super) fn insert(&mut self, place: Place) {
        if self.pieces.is_empty() {
            self.pieces.push(Vec::new());
        }
        // Beyond the last one it belongs to the last piece.
        let index = self.piece_of(&place).min(self.pieces.len().saturating_sub(1));
        let Some(piece) = self.pieces.get_mut(index) else { return };
        let Err(position) = piece.binary_search(&place) else { return };
        piece.insert(position, place);
        self.len += 1;
        if piece.len() >= PIECE {
            let rest = piece.split_off(PIECE / 2);
            self.pieces.insert(index + 1, rest);
        }
    }

    pub(super) fn remove(&mut self, place: &Place) {
        let index = self.piece_of(place);
        let Some(piece) = self.pieces.get_mut(index) else { return };
        let Ok(position) = piece.binary_search(place) else { return };
        piece.remove(position);
        self.len -= 1;
        if piece.is_empty() {
            self.pieces.remove(index);
        }
    }

    /// How many come before it.
    pub(super) fn rank(&self, place: &Place) -> usize {
        let index = self.piece_of(place);
        let before: usize = self.pieces.iter().take(index).map(Vec::len).sum();
        let within = self.pieces.get(index).map_or(0, |piece| piece.partition_point(|other| other < place));
        before + within
    }

    pub(super) fn first(&self) -> Option<&Place> {
        self.pieces.first()?.first()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first piece that ends with it or after it.
    fn piece_of(&self, place: &Place) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|last| last < place))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::decide::fixture::at;

    fn place(number: u16) -> Place {
        // Many share a deadline.
        (at(i64::from(number / 7)), Arc::from(number.to_string()))
    }

    proptest! {
        #[test]
        fn it_counts_as_a_sorted_set_does(steps in prop::collection::vec((any::<bool>(), 0..3000_u16), 0..6000)) {
            let (mut order, mut set) = (Order::default(), BTreeSet::new());
            for (comes, number) in steps {
                if comes {
                    order.insert(place(number));
                    set.insert(place(number));
                } else {
                    order.remove(&place(number));
                    set.remove(&place(number));
                }
                prop_assert_eq!(order.rank(&place(number)), set.range(..place(number)).count());
            }
            prop_assert_eq!(order.first(), set.first());
            prop_assert_eq!((order.len, order.is_empty()), (set.len(), set.is_empty()));
            prop_assert!(order.pieces.iter().all(|piece| !piece.is_empty() && piece.len() < PIECE));
        }
    }

    #[test]
    fn pieces_are_cut_and_counted() {
        let mut order = Order::default();
        for number in 0..20_000 {
            order.insert((at(number), Arc::from("somebody")));
        }
        assert!(order.pieces.len() > 10, "{} pieces", order.pieces.len());
        assert_eq!(order.rank(&(at(12_345), Arc::from("somebody"))), 12_345);
        assert_eq!(order.rank(&(at(99_999), Arc::from("nobody"))), 20_000);
    }
}
