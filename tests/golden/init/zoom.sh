curl -X POST https://zoom.us/oauth/token -d 'grant_type=account_credentials' -d 'account_id={accountID}' -H 'Host: zoom.us' -H "Authorization: Basic $(echo -n 'a:canary-zoom' | base64)"
