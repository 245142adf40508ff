-- Where the rows of one file wait for their insertion; private to the session and its transaction.
CREATE TEMPORARY TABLE import_staged (
    line                     bigint NOT NULL,
    tip                      text NOT NULL,
    object_code              text NOT NULL,
    expected_inspection_id   text,
    expected_inspection_date date,
    expected_inspected_by    text,
    expected_vehicle         text,
    expected_team            text
) ON COMMIT DROP
