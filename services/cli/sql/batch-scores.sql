-- A block that is inserted again under its token is passed over: the window says of how many newest blocks that is known.
-- What the run has written down as inserted has to outlive a power cut as that note does.
CREATE TABLE IF NOT EXISTS ${table} (
    run_id LowCardinality(String),
    row UInt64,
    ${kept}
    ${score} Float32,
    prediction_id String,
    model_version LowCardinality(String),
    fallback Bool
)
ENGINE = MergeTree
ORDER BY (run_id, row)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
