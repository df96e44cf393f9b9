"""What a records custodian does beyond importing: batches and their undoing, changes noticed, duplicates, quality."""
