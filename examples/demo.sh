#!/bin/sh
# From a folder to a cited answer: `make demo`, or `make demo FOLDER=path QUESTION="…"`.
set -eu
folder=$1
question=$2

FOOTNOTE_HOME=${FOOTNOTE_HOME:-"$(pwd)/.demo"}
export FOOTNOTE_HOME

run() {
    printf '\n$ footnote'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9/._-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    footnote "$@"
}

# A file that cannot be read is reported and does not end the demo.
run ingest "$folder" --collection demo || [ $? -eq 1 ]

if [ -n "$question" ]; then
    run ask "$question" --collection demo
else
    run ask "How many days of unused leave can I carry over into the next year?" --collection demo
    run ask "Does the company match donations to charity?" --collection demo
    printf '\nThe first question is answered by the folder, with its footnote; the second is not, and Footnote says so.\n'
fi

cat <<END

Ask on:       FOOTNOTE_HOME='$FOOTNOTE_HOME' .venv/bin/footnote ask 'your question' --collection demo
Your folder:  make demo FOLDER=path QUESTION="your question"
Over HTTP:    export FOOTNOTE_HOME='$FOOTNOTE_HOME'
              .venv/bin/footnote keys create me
              .venv/bin/footnote serve
              curl -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' \\
                   -d '{"question": "your question", "collection": "demo"}' http://127.0.0.1:8080/v1/ask
END
