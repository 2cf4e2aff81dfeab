curl -X POST 'https://zoom.us/oauth/token?grant_type=account_credentials&account_id=abc' -u "$ZOOM_ID:$ZOOM_SECRET"
