-- Records, attachments, lookups, errors, sources: the tables operators know by name.
-- Runs with search_path set to the configured schema.

CREATE TABLE noggin_data (
    tip                             text PRIMARY KEY,
    object_type                     text NOT NULL DEFAULT 'unknown',
    object_code                     text,
    processing_status               text NOT NULL DEFAULT 'pending'
        CONSTRAINT noggin_data_status_known CHECK (processing_status IN (
            'pending', 'api_success', 'complete', 'partial', 'failed', 'interrupted',
            'api_failed', 'not_found', 'skipped')),
    -- Starts anywhere below a billion, so that a row deleted and imported again cannot be
    -- mistaken for its predecessor by an entry that still lies in the queue.
    gen                             integer NOT NULL DEFAULT (random() * 1000000000)::integer,
    interruptions                   integer NOT NULL DEFAULT 0,
    retry_count                     integer NOT NULL DEFAULT 0,
    last_retry_at                   timestamptz,
    next_retry_at                   timestamptz,
    permanently_failed              boolean NOT NULL DEFAULT false,
    last_error_message              text,
    worker_id                       varchar(300),

    noggin_reference                text,
    inspection_date                 date,
    lcd_inspection_id               text,
    lcs_inspection_id               text,
    coupling_id                     text,
    forklift_prestart_inspection_id text,
    site_observation_id             text,
    trailer_audit_id                text,
    inspected_by                    text,
    inspected_by_hash               text,
    vehicle                         text,
    vehicle_hash                    text,
    vehicle_id                      text,
    trailer                         text,
    trailer_hash                    text,
    trailer_id                      text,
    trailer2                        text,
    trailer2_hash                   text,
    trailer2_id                     text,
    trailer3                        text,
    trailer3_hash                   text,
    trailer3_id                     text,
    department                      text,
    department_hash                 text,
    team                            text,
    team_hash                       text,
    job_number                      text,
    run_number                      text,
    driver_loader_name              text,
    load_compliance                 text,
    straps                          boolean,
    no_of_straps                    integer,
    chains                          boolean,
    mass                            text,

    has_unknown_hashes              boolean NOT NULL DEFAULT false,
    total_attachments               integer NOT NULL DEFAULT 0,
    completed_attachment_count      integer NOT NULL DEFAULT 0,
    all_attachments_complete        boolean NOT NULL DEFAULT false,

    csv_imported_at                 timestamptz,
    source_id                       bigint,
    expected_inspection_id          text,
    expected_inspection_date        date,
    expected_inspected_by           text,
    expected_vehicle                text,
    expected_team                   text,

    api_meta_created_date           timestamptz,
    api_meta_modified_date          timestamptz,
    api_meta_security               text,
    api_meta_type                   text,
    api_meta_tip                    text,
    api_meta_sid                    text,
    api_meta_branch                 text,
    api_meta_parent                 text[],
    api_meta_errors                 jsonb,
    payload                         jsonb,

    archived                        boolean NOT NULL DEFAULT false,
    archived_at                     timestamptz,
    created_at                      timestamptz NOT NULL DEFAULT now(),
    updated_at                      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE noggin_data IS
    'One row per TIP: its state in the pipeline and, once fetched, its inspection record.';
COMMENT ON COLUMN noggin_data.gen IS
    'Bumped whenever the row is queued, re-queued or taken out of the queue, by anyone: the fence.';
COMMENT ON COLUMN noggin_data.permanently_failed IS
    'true = dead letter: not retried until somebody sets processing_status to pending.';

-- What reconcile walks: the due rows, few in a healthy system.
CREATE INDEX noggin_data_due ON noggin_data (tip)
    WHERE NOT permanently_failed
      AND processing_status IN ('pending', 'failed', 'interrupted', 'partial', 'api_failed', 'api_success');
CREATE INDEX noggin_data_dead ON noggin_data (updated_at) WHERE permanently_failed;
CREATE INDEX noggin_data_reference ON noggin_data (noggin_reference);
CREATE INDEX noggin_data_inspection_date ON noggin_data (inspection_date);
CREATE INDEX noggin_data_updated_at ON noggin_data (updated_at DESC);
CREATE INDEX noggin_data_unknown ON noggin_data (tip) WHERE has_unknown_hashes;

-- Every settle rewrites a row; leave room on the page and vacuum early.
ALTER TABLE noggin_data SET (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE attachments (
    record_tip                   text NOT NULL,
    attachment_tip               text NOT NULL,
    attachment_sequence          integer NOT NULL,
    field_name                   text,
    filename                     text,
    file_path                    text,
    content_type                 text,
    file_size_bytes              bigint,
    file_hash_md5                text,
    file_hash_sha256             text,
    attachment_status            text NOT NULL DEFAULT 'pending'
        CONSTRAINT attachments_status_known
        CHECK (attachment_status IN ('pending', 'complete', 'failed', 'not_found')),
    attachment_validation_status text,
    validation_error_message     text,
    download_started_at          timestamptz,
    download_completed_at        timestamptz,
    download_duration_seconds    numeric(12, 3),
    retry_count                  integer NOT NULL DEFAULT 0,
    last_error_message           text,
    created_at                   timestamptz NOT NULL DEFAULT now(),
    updated_at                   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (record_tip, attachment_tip)
);
COMMENT ON TABLE attachments IS
    'One row per file of a record. No foreign key: operators delete and restore either side freely.';
CREATE INDEX attachments_status_started ON attachments (attachment_status, download_started_at DESC);

CREATE TABLE folders (
    path text PRIMARY KEY,
    tip  text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE folders IS
    'Which TIP owns a folder below the output root: claimed before the first file is written.';
CREATE INDEX folders_tip ON folders (tip);

CREATE TABLE entity_hashes (
    hash_value  text PRIMARY KEY,
    entity_type text NOT NULL,
    entity_name text NOT NULL,
    source      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX entity_hashes_type ON entity_hashes (entity_type, entity_name);

CREATE TABLE unknown_hashes (
    entity_type      text NOT NULL,
    hash_value       text NOT NULL,
    first_seen_at    timestamptz NOT NULL DEFAULT now(),
    last_seen_at     timestamptz NOT NULL DEFAULT now(),
    occurrence_count bigint NOT NULL DEFAULT 1,
    resolved_at      timestamptz,
    resolved_value   text,
    PRIMARY KEY (entity_type, hash_value)
);

CREATE TABLE processing_errors (
    error_id      bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tip           text,
    error_type    text NOT NULL,
    error_message text,
    error_details jsonb,
    retry_attempt integer,
    worker_id     varchar(300),
    created_at    timestamptz NOT NULL DEFAULT now(),
    resolved      boolean NOT NULL DEFAULT false
);
CREATE INDEX processing_errors_created ON processing_errors (created_at);
CREATE INDEX processing_errors_tip ON processing_errors (tip, created_at);

CREATE TABLE sources (
    source_id        bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    filename         text NOT NULL,
    sha256           text NOT NULL,
    kind             text NOT NULL DEFAULT 'tips',
    version          integer NOT NULL DEFAULT 1,
    object_code      text,
    size_bytes       bigint,
    status           text NOT NULL DEFAULT 'loading'
        CONSTRAINT sources_status_known CHECK (status IN ('loading', 'loaded', 'failed')),
    rows_read        bigint NOT NULL DEFAULT 0,
    rows_imported    bigint NOT NULL DEFAULT 0,
    rows_known       bigint NOT NULL DEFAULT 0,
    rows_duplicate   bigint NOT NULL DEFAULT 0,
    rows_rejected    bigint NOT NULL DEFAULT 0,
    last_row         bigint NOT NULL DEFAULT 0,
    error_message    text,
    loaded_by        text,
    started_at       timestamptz NOT NULL DEFAULT now(),
    progress_at      timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz
);
CREATE INDEX sources_sha256 ON sources (sha256);

CREATE TABLE failed_records (
    failed_record_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source_id        bigint REFERENCES sources ON DELETE CASCADE,
    row_number       bigint NOT NULL,
    reason           text NOT NULL,
    raw              text,
    resolved         boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE failed_records IS 'Input rows that were rejected, with their row number and reason.';
CREATE INDEX failed_records_source ON failed_records (source_id, row_number);

CREATE VIEW loader_status AS
SELECT source_id, filename, kind, object_code, version, status, rows_read, rows_imported, rows_known,
       rows_duplicate, rows_rejected, started_at, progress_at, finished_at,
       extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::numeric(12, 3) AS seconds,
       status = 'loading' AND progress_at < clock_timestamp() - interval '5 minutes' AS stalled
FROM sources;

CREATE TABLE session_log (
    session_id   bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    host         text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    exit_code    integer,
    summary      jsonb
);

CREATE TABLE audit_log (
    audit_id  bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    ts        timestamptz NOT NULL DEFAULT clock_timestamp(),
    who       text NOT NULL,
    action    text NOT NULL,
    target    text,
    reason    text,
    affected  bigint,
    details   jsonb
);
COMMENT ON TABLE audit_log IS 'Every change made by a person through the command line: who, when, why, how many.';
