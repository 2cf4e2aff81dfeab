curl -A 'script:example:v1 (by /u/example)' -X POST -d 'grant_type=password&username=canary-reddit-user&password=canary-reddit-password' \
  --user 'p-jcoLKBynTLew:canary-reddit' https://www.reddit.com/api/v1/access_token
