-- One row to predict; what was measured is printed as one line of JSON.
wrk.method = "POST"
wrk.body = '{"data": [[0.1, 0.2]]}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Host"] = "localhost"

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"rate": %.1f, "p50": %.3f, "p99": %.3f, "errors": %d}\n',
    1e6 * summary.requests / summary.duration,
    latency:percentile(50) / 1000,
    latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
