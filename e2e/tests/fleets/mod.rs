//! Tools for many clusters: the files of `config/fleet` mean what they say, and a writer that merges lists starts no
//! fight. The table of states under all readers is in the suite `gitops`.

mod aggregation;
mod argo_cd;
mod merging;
