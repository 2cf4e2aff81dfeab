curl 'https://api.weixin.qq.com/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=canary-wechat'
