#!/bin/sh
# A nightly job: keep one row of each group of duplicates, and send mail only if something is wrong.
#
#   crontab:  15 3 * * *  /opt/jobs/cron.sh /var/tickets/today.csv /var/tickets/clean.csv
#
# cron mails all output, so --quiet leaves only warnings and errors; the exit status tells which kind of error it was.
set -u
input=$1
output=$2

dlcli dedupe --quiet --keep "$input" -o "$output"
status=$?
case $status in
  0)  exit 0 ;;
  75) echo "last night's run is still going; nothing was done" >&2; exit 0 ;;
  3)  echo "$input could not be read; $output is still yesterday's" >&2 ;;
  5)  echo "out of disk space or memory; $output is still yesterday's" >&2 ;;
esac
exit "$status"
